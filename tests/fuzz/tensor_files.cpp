// The readers of tensors: safetensors, .pth, and the index of shards.
#include <filesystem>
#include <string>

#include "base/error.h"
#include "io/tensor_file.h"
#include "targets.h"
#include "temporary_folder.h"

namespace wan::fuzz {
namespace {

volatile uint8_t sink;  // keeps reads from being optimised away

/// Touches the bytes of the element at `offset` elements from the view's beginning.
void touch(const TensorView& view, int64_t offset) {
  const auto* at = static_cast<const uint8_t*>(view.data) + offset * static_cast<int64_t>(size_of(view.dtype));
  for (size_t i = 0; i < size_of(view.dtype); ++i) sink = at[i];
}

/// Reads every tensor's first and last element.
void open_and_read(const std::filesystem::path& path) {
  const TensorFile file = TensorFile::open(path);
  for (const StoredTensor& tensor : file.tensors()) {
    const TensorView view = file.view(tensor);
    if (view.count() == 0) continue;
    int64_t last = 0;
    for (int i = 0; i < view.rank(); ++i) last += (view.shape[i] - 1) * view.stride(i);
    touch(view, 0);
    touch(view, last);
    check(&file.at(tensor.name) == &tensor, "a tensor is found under its name");
  }
}

void write_shard(const std::filesystem::path& path, const std::string& name) {
  SafetensorsWriter writer(path, {{name, DType::kF32, {2}}});
  const float values[2] = {1, 2};
  writer.write(std::as_bytes(std::span(values)));
  writer.finish(Sync::kCached);
}

/// A folder of two shards, removed at exit, whose index is the input.
struct Shards {
  test::TemporaryFolder folder;
  Shards() {
    std::filesystem::create_symlink(as_file({}), folder / "index.json");
    write_shard(folder / "one.safetensors", "a");
    write_shard(folder / "two.safetensors", "b");
  }
};

}  // namespace

void safetensors(Bytes input) { open_and_read(as_file(input)); }

void pth(Bytes input) { open_and_read(as_file(input)); }

void index(Bytes input) {
  static const Shards shards;
  as_file(input);
  open_and_read(shards.folder / "index.json");
}

}  // namespace wan::fuzz
