// Writes torch's zip-based .pth: an OrderedDict of named tensors, each with a storage of its own, as torch.save lays it
// out. Nothing is held in memory but the headers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/tensor_file.h"

namespace wan {

class PthWriter {
 public:
  using Declared = SafetensorsWriter::Declared;
  /// Numbers above `largest_32` are written as ZIP64; see ZipWriter. Throws Error(kRuntime) when the file cannot be
  /// created, two tensors share a name, or torch has no storage of an element type (F8_E4M3).
  PthWriter(const std::filesystem::path& path, const std::vector<Declared>& tensors);
  PthWriter(const std::filesystem::path& path, const std::vector<Declared>& tensors, uint64_t largest_32);
  ~PthWriter();  // removes the unfinished file
  PthWriter(const PthWriter&) = delete;
  PthWriter& operator=(const PthWriter&) = delete;
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
