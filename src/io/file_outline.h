// What a file of weights says of itself, whether or not its data are all there and this program can read them: for
// telling files apart. The readers of tensors are in tensor_file.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wan {

/// A tensor as a header declares it.
struct OutlineTensor {
  std::string name;
  std::string type;             // as the format spells it: "BF16", "F8_E5M2", "Q4_K"
  std::vector<uint64_t> shape;  // row-major, the slowest axis first
};

struct FileOutline {
  std::vector<OutlineTensor> tensors;  // in the file's order; none where the header itself is cut off
  std::string architecture;            // GGUF's general.architecture; empty where none is said
  uint64_t needed_bytes = 0;           // that the file has by what its header says; at least, where that is cut off
};

/// Of a file whose first bytes are a length and a JSON object (looks_like_safetensors). Throws Error(kInput), begun
/// with `where`, for a header that is there and no JSON or no header.
FileOutline outline_of_safetensors(std::span<const std::byte> bytes, const std::string& where);

/// Of a GGUF file, versions 2 and 3. Throws Error(kInput), begun with `where`, for another version, for numbers that no
/// file has, and for more than five axes.
FileOutline outline_of_gguf(std::span<const std::byte> bytes, const std::string& where);

/// Whether an archive that begins as a zip file lacks the directory at its end: what a broken-off copy of it does.
bool lacks_zip_directory(std::span<const std::byte> bytes);

/// The files that an index of shards names, each once; empty where the text is no such index. Throws Error(kInput),
/// begun with `where`, for a text that is not JSON.
std::vector<std::string> shards_of_index(std::string_view text, const std::string& where);

}  // namespace wan
