// Writes safetensors files: the header from the declared tensors, then the data as it comes.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "io/checked.h"
#include "io/tensor_file.h"

namespace wan {
namespace {

constexpr size_t kHeaderAlignment = 8;

/// The header's JSON, padded with spaces so that the data begins at a multiple of eight.
std::string header_text(const std::string& path, const std::vector<SafetensorsWriter::Declared>& tensors,
                        const std::map<std::string, std::string>& metadata, uint64_t& data_bytes) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::set<std::string_view> names;
  for (const auto& tensor : tensors) {
    const bool fresh = names.insert(tensor.name).second && !tensor.name.empty() && tensor.name != "__metadata__";
    require(fresh, fmt::format("{}: cannot write a tensor named '{}' (twice, empty or reserved)", path, tensor.name),
            ErrorKind::kRuntime);
    const auto bytes = checked_multiply(static_cast<uint64_t>(tensor.shape.count()), size_of(tensor.dtype));
    const auto end = bytes ? checked_add(data_bytes, *bytes) : std::nullopt;
    require(end.has_value(), fmt::format("{}: tensor '{}' overflows 64 bits", path, tensor.name), ErrorKind::kRuntime);
    header.emplace(tensor.name, nlohmann::ordered_json{{"dtype", name_of(tensor.dtype)},
                                                       {"shape", tensor.shape.extents()},
                                                       {"data_offsets", {data_bytes, *end}}});
    data_bytes = *end;
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.append((kHeaderAlignment - text.size() % kHeaderAlignment) % kHeaderAlignment, ' ');
  return text;
}

}  // namespace

struct SafetensorsWriter::State {
  std::filesystem::path target;
  std::filesystem::path beside;
  int descriptor = -1;
  uint64_t remaining = 0;

  ~State() {
    if (descriptor < 0) return;
    ::close(descriptor);
    ::unlink(beside.c_str());
  }
  [[noreturn]] void fail(const char* action) const {
    throw Error(fmt::format("cannot {} {}: {}", action, beside.string(), std::strerror(errno)));
  }
  void append(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("write");
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
  }
};

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::vector<Declared> tensors,
                                     std::map<std::string, std::string> metadata)
    : state_(std::make_unique<State>()) {
  const std::string header = header_text(path.string(), tensors, metadata, state_->remaining);
  state_->target = path;
  state_->beside = sibling_temporary(path);
  state_->descriptor = ::open(state_->beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (state_->descriptor < 0) state_->fail("create");
  const uint64_t length = header.size();  // little-endian, as every machine this builds for
  state_->append(std::as_bytes(std::span(&length, 1)));
  state_->append(std::as_bytes(std::span(header)));
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  require(state_->descriptor >= 0, state_->target.string() + ": written to after it was finished", ErrorKind::kRuntime);
  require(bytes.size() <= state_->remaining,
          fmt::format("{}: {} bytes are more than the {} still declared", state_->target.string(), bytes.size(),
                      state_->remaining),
          ErrorKind::kRuntime);
  state_->append(bytes);
  state_->remaining -= bytes.size();
}

void SafetensorsWriter::finish() {
  require(state_->descriptor >= 0, state_->target.string() + ": finished twice", ErrorKind::kRuntime);
  require(state_->remaining == 0,
          fmt::format("{}: {} declared bytes were never written", state_->target.string(), state_->remaining),
          ErrorKind::kRuntime);
  if (::fsync(state_->descriptor) != 0) state_->fail("sync");
  if (::rename(state_->beside.c_str(), state_->target.c_str()) != 0) state_->fail("rename");
  const int descriptor = std::exchange(state_->descriptor, -1);
  if (::close(descriptor) != 0) state_->fail("close");
}

}  // namespace wan
