// The part of the zip format that torch.save writes: stored (uncompressed) entries, found through the central
// directory, ZIP64 included. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace wan {

/// Whether the first bytes are a zip archive's.
bool looks_like_zip(std::span<const std::byte> bytes);

/// Reads an archive in memory, which must outlive it. Every number is checked against the archive's size.
class ZipArchive {
 public:
  struct Entry {
    uint64_t header_offset = 0;  // of the local header
    uint64_t size = 0;           // of the data; stored, so packed and unpacked size agree
  };

  /// Reads the central directory. Throws Error(kInput), begun with `path`, on any defect, a compressed or an encrypted
  /// entry.
  ZipArchive(std::span<const std::byte> bytes, std::string path);

  const std::map<std::string_view, Entry>& entries() const { return entries_; }
  /// Offset of the entry's data from the archive's beginning. Reads the entry's local header, which alone knows it
  /// (alignment padding lies there). Throws Error(kInput) when header and directory disagree or the data run into the
  /// directory.
  uint64_t data_offset(std::string_view name, const Entry& entry) const;

 private:
  struct Directory {
    uint64_t offset = 0;
    uint64_t size = 0;
    uint64_t count = 0;
  };
  Directory find_directory() const;
  Directory read_zip64_end(uint64_t end_offset) const;
  /// Reads the entry at `offset`; returns the offset of the next.
  uint64_t read_entry(uint64_t offset, uint64_t directory_end);
  [[noreturn]] void fail(const std::string& what) const;
  void check(bool condition, std::string_view what) const;

  std::span<const std::byte> bytes_;
  std::string path_;
  uint64_t directory_offset_ = 0;
  std::map<std::string_view, Entry> entries_;
};

}  // namespace wan
