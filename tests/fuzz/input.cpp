#include "input.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "io/tensor_file.h"

namespace wan::fuzz {
namespace {

volatile uint8_t sink;  // keeps reads from being optimised away

/// Touches the bytes of the element at `offset` elements from the view's beginning.
void touch(const TensorView& view, int64_t offset) {
  const auto* at = static_cast<const uint8_t*>(view.data) + offset * static_cast<int64_t>(size_of(view.dtype));
  for (size_t i = 0; i < size_of(view.dtype); ++i) sink = at[i];
}

}  // namespace

std::filesystem::path as_file(const uint8_t* data, size_t size) {
  static const int descriptor = ::memfd_create("fuzz-input", MFD_CLOEXEC);
  if (::ftruncate(descriptor, 0) != 0 || ::pwrite(descriptor, data, size, 0) != static_cast<ssize_t>(size))
    std::abort();
  return "/proc/self/fd/" + std::to_string(descriptor);
}

void open_and_read(const std::filesystem::path& path) {
  try {
    const TensorFile file = TensorFile::open(path);
    for (const StoredTensor& tensor : file.tensors()) {
      const TensorView view = file.view(tensor);
      if (view.count() == 0) continue;
      int64_t last = 0;
      for (int i = 0; i < view.rank(); ++i) last += (view.shape[i] - 1) * view.stride(i);
      touch(view, 0);
      touch(view, last);
      if (&file.at(tensor.name) != &tensor) std::abort();
    }
  } catch (const Error&) {
  }
}

}  // namespace wan::fuzz
