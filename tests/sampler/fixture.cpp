#include "fixture.h"

#include <cstring>

#include <nlohmann/json.hpp>

#include "base/file.h"

namespace wan {

std::map<std::string, StoredFloats> read_floats(const std::filesystem::path& path) {
  const MappedFile file(path);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.bytes().data(), sizeof header_bytes);
  const char* text = reinterpret_cast<const char*>(file.bytes().data()) + 8;
  const auto header = nlohmann::json::parse(text, text + header_bytes);
  std::map<std::string, StoredFloats> out;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    const auto extents = entry.at("shape").get<std::vector<int64_t>>();
    StoredFloats& tensor = out[name];
    tensor.shape = Shape(std::span<const int64_t>(extents));
    tensor.values.resize(static_cast<size_t>(tensor.shape.count()));
    std::memcpy(tensor.values.data(), text + header_bytes + entry.at("data_offsets")[0].get<size_t>(),
                tensor.values.size() * 4);
  }
  return out;
}

}  // namespace wan
