// Writes safetensors files: the header from the declared tensors, then the data as it comes.
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/checked.h"
#include "io/streamed_file.h"
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
  StreamedFile file;
  uint64_t remaining = 0;
};

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::vector<Declared> tensors,
                                     std::map<std::string, std::string> metadata) {
  uint64_t data_bytes = 0;
  const std::string header = header_text(path.string(), tensors, metadata, data_bytes);
  state_.reset(new State{StreamedFile(path), data_bytes});
  const uint64_t length = header.size();  // little-endian, as every machine this builds for
  state_->file.append(std::as_bytes(std::span(&length, 1)));
  state_->file.append(std::as_bytes(std::span(header)));
}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  require(bytes.size() <= state_->remaining,
          fmt::format("{}: {} bytes are more than the {} still declared", state_->file.target().string(), bytes.size(),
                      state_->remaining),
          ErrorKind::kRuntime);
  state_->file.append(bytes);
  state_->remaining -= bytes.size();
}

void SafetensorsWriter::finish(Sync sync) {
  require(state_->remaining == 0,
          fmt::format("{}: {} declared bytes were never written", state_->file.target().string(), state_->remaining),
          ErrorKind::kRuntime);
  state_->file.finish(sync);
}

}  // namespace wan
