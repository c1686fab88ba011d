#include "gguf_builder.h"

#include "builders.h"

namespace wan::test {

std::string gguf_text(std::string_view text) { return little(text.size(), 8) + std::string(text); }

std::string gguf_string(std::string_view key, std::string_view value) {
  return gguf_text(key) + little(8, 4) + gguf_text(value);
}

std::string gguf_u32(std::string_view key, uint32_t value) { return gguf_text(key) + little(4, 4) + little(value, 4); }

std::string gguf_array(std::string_view key, uint32_t type, uint64_t count, std::string_view entries) {
  return gguf_text(key) + little(9, 4) + little(type, 4) + little(count, 8) + std::string(entries);
}

std::string gguf(const GgufSpec& spec) {
  const auto padded = [&](std::string& text) {
    text.resize((text.size() + spec.alignment - 1) / spec.alignment * spec.alignment);
  };
  std::string out = "GGUF" + little(spec.version, 4) + little(spec.tensors.size(), 8) + little(spec.keys.size(), 8);
  for (const std::string& key : spec.keys) out += key;
  std::string data;
  for (const GgufTensor& tensor : spec.tensors) {
    padded(data);
    out += gguf_text(tensor.name) + little(tensor.shape.size(), 4);
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent)
      out += little(static_cast<uint64_t>(*extent), 8);
    const uint64_t offset = tensor.claimed_offset < 0 ? data.size() : static_cast<uint64_t>(tensor.claimed_offset);
    out += little(tensor.type, 4) + little(offset, 8);
    data += tensor.data;
  }
  padded(out);
  return out + data;
}

}  // namespace wan::test
