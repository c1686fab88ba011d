#include "input.h"

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

namespace wan::fuzz {

std::string_view text_of(Bytes input) { return {reinterpret_cast<const char*>(input.data()), input.size()}; }

std::pair<std::string_view, std::string_view> cut_at_nul(Bytes input) {
  const std::string_view text = text_of(input);
  const size_t at = text.find('\0');
  if (at == std::string_view::npos) return {text, {}};
  return {text.substr(0, at), text.substr(at + 1)};
}

std::filesystem::path as_file(Bytes input) {
  static const int descriptor = ::memfd_create("fuzz-input", MFD_CLOEXEC);
  const bool written = ::ftruncate(descriptor, 0) == 0 &&
                       ::pwrite(descriptor, input.data(), input.size(), 0) == static_cast<ssize_t>(input.size());
  check(written, "the input could not be written to memory");
  return "/proc/self/fd/" + std::to_string(descriptor);
}

void check(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

}  // namespace wan::fuzz
