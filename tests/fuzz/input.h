// Shared by the fuzz targets: the input as a file, and what a caller would do with an opened TensorFile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace wan::fuzz {

/// Writes the input to a file in memory and returns its path. The same file is used each time.
std::filesystem::path as_file(const uint8_t* data, size_t size);

/// Opens the file; on success reads every tensor's first and last element. wan::Error is an answer; anything else is a
/// find.
void open_and_read(const std::filesystem::path& path);

}  // namespace wan::fuzz
