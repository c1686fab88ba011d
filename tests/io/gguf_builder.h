// Builds GGUF files, well-formed and broken.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wan::test {

struct GgufTensor {
  std::string name;
  std::vector<int64_t> shape;  // outermost first; the file has it the other way round
  uint32_t type = 0;           // ggml's number
  std::string data;
  int64_t claimed_offset = -1;  // -1: where it lies
};

/// ggml's numbers of the types that tests write.
inline constexpr uint32_t kGgufF32 = 0, kGgufF16 = 1, kGgufQ4_1 = 3, kGgufQ8_0 = 8, kGgufBF16 = 30;

/// Keys with their values, ready to be joined.
std::string gguf_string(std::string_view key, std::string_view value);
std::string gguf_u32(std::string_view key, uint32_t value);
/// `entries` as they lie in the file.
std::string gguf_array(std::string_view key, uint32_t type, uint64_t count, std::string_view entries);
std::string gguf_text(std::string_view text);  // length and bytes

struct GgufSpec {
  std::vector<std::string> keys;
  std::vector<GgufTensor> tensors;
  uint32_t version = 3;
  uint64_t alignment = 32;
};
std::string gguf(const GgufSpec& spec);

}  // namespace wan::test
