// Writes GGUF, version 3: header first from the declared tensors, then the data streamed in declaration order, each
// tensor at a multiple of 32 bytes. Nothing is held in memory but the header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/output_file.h"
#include "tensor/blocks.h"
#include "tensor/tensor.h"

namespace wan {

class GgufWriter {
 public:
  struct Declared {
    std::string name;
    DType dtype = DType::kF32;           // F32, F16 or BF16, where there are no blocks
    BlockType block = BlockType::kNone;  // rows are whole blocks
    Shape shape;                         // outermost first, as everywhere else; at most five axes
  };
  /// Of metadata.
  using Key = std::pair<std::string, std::variant<std::string, uint32_t>>;

  /// Throws Error(kRuntime) when the file cannot be created, two tensors share a name, or GGUF has no such type or
  /// shape.
  GgufWriter(const std::filesystem::path& path, const std::vector<Declared>& tensors, const std::vector<Key>& keys);
  ~GgufWriter();  // removes the unfinished file
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;
  /// Appends bytes in the order of declaration, in pieces of any size. Throws Error(kRuntime) when more than declared
  /// arrive or the disk is full.
  void write(std::span<const std::byte> bytes);
  /// The file takes its name. Throws Error(kRuntime) when fewer bytes than declared arrived, or on a full disk.
  void finish(Sync sync = Sync::kOnDisk);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace wan
