// Writes the part of the zip format that torch.save writes: stored entries whose data is aligned, ZIP64 where a number
// does not fit. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/streamed_file.h"

namespace wan {

class ZipWriter {
 public:
  /// Entries' data begin at multiples of this many bytes, through an extra field of their local headers.
  static constexpr uint64_t kAlignment = 64;
  /// What 32-bit fields can say; larger numbers go to ZIP64 records.
  static constexpr uint64_t kLargest32 = 0xfffffffe;

  /// `file` must outlive the writer, which begins at the file's first byte. Numbers above `largest_32` are written as
  /// ZIP64: a lower limit than the format's own is as valid.
  explicit ZipWriter(StreamedFile& file, uint64_t largest_32 = kLargest32) : file_(file), largest_32_(largest_32) {}

  /// Begins an entry of `size` bytes; ends the one before. Throws Error(kRuntime) when that one lacks bytes.
  void begin(std::string name, uint64_t size);
  /// Data of the entry last begun; throws Error(kRuntime) when it is more than announced.
  void append(std::span<const std::byte> bytes);
  /// A whole entry.
  void add(std::string name, std::span<const std::byte> bytes);
  /// Bytes the entry last begun still lacks.
  uint64_t remaining() const { return remaining_; }
  /// Ends the last entry and writes the directory. The file is left to be finished by its owner.
  void close();

 private:
  struct Entry {
    std::string name;
    uint64_t size = 0;
    uint64_t header_offset = 0;
    uint32_t checksum = 0;
  };
  void end_entry();
  std::string local_header(const Entry& entry) const;
  std::string directory_entry(const Entry& entry) const;
  std::string end_records(uint64_t directory_offset, uint64_t directory_bytes) const;

  StreamedFile& file_;
  uint64_t largest_32_;
  std::vector<Entry> entries_;
  uint64_t remaining_ = 0;
};

}  // namespace wan
