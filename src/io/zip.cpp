// Finds stored entries in a zip archive. Field offsets below are those of the records in PKWARE's APPNOTE.TXT,
// section 4.3.
#include "io/zip.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "io/checked.h"
#include "io/printable.h"

namespace wan {
namespace {

constexpr uint32_t kLocalSignature = 0x04034b50;
constexpr uint32_t kEntrySignature = 0x02014b50;
constexpr uint32_t kEndSignature = 0x06054b50;
constexpr uint32_t kZip64EndSignature = 0x06064b50;
constexpr uint32_t kZip64LocatorSignature = 0x07064b50;
constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kEntryBytes = 46;
constexpr uint64_t kEndBytes = 22;
constexpr uint64_t kZip64EndBytes = 56;
constexpr uint64_t kZip64LocatorBytes = 20;
constexpr uint64_t kMaxCommentBytes = 0xffff;
constexpr uint16_t kZip64Extra = 0x0001;
constexpr uint16_t kEncrypted = 0x0001;
constexpr uint16_t kIn64Short = 0xffff;  // "see the ZIP64 record"
constexpr uint32_t kIn64 = 0xffffffff;

/// Fields that a central directory entry may move to its ZIP64 extra field, in the order they stand there.
struct Wide {
  uint64_t size;
  uint64_t packed_size;
  uint64_t header_offset;
};

/// Replaces the fields that say "see ZIP64". False when the extra field is malformed or lacks one.
bool widen(Wide& wide, std::span<const std::byte> extra) {
  uint64_t offset = 0;
  while (extra.size() - offset >= 4) {
    const auto kind = read_little_endian<uint16_t>(extra, offset);
    const auto length = read_little_endian<uint16_t>(extra, offset + 2);
    offset += 4;
    if (length > extra.size() - offset) return false;
    if (kind == kZip64Extra) {
      uint64_t used = 0;
      for (uint64_t* field : {&wide.size, &wide.packed_size, &wide.header_offset}) {
        if (*field != kIn64) continue;
        if (length - used < 8) return false;
        *field = read_little_endian<uint64_t>(extra, offset + used);
        used += 8;
      }
      return true;
    }
    offset += length;
  }
  return wide.size != kIn64 && wide.packed_size != kIn64 && wide.header_offset != kIn64;
}

}  // namespace

bool looks_like_zip(std::span<const std::byte> bytes) {
  return bytes.size() >= 4 && read_little_endian<uint32_t>(bytes, 0) == kLocalSignature;
}

void ZipArchive::fail(const std::string& what) const {
  throw Error(ErrorKind::kInput, fmt::format("{}: zip archive: {}", path_, what));
}

void ZipArchive::check(bool condition, std::string_view what) const {
  if (!condition) fail(std::string(what));
}

ZipArchive::ZipArchive(std::span<const std::byte> bytes, std::string path) : bytes_(bytes), path_(std::move(path)) {
  const Directory directory = find_directory();
  directory_offset_ = directory.offset;
  const uint64_t directory_end = directory.offset + directory.size;
  check(directory.count <= directory.size / kEntryBytes, "more entries claimed than its directory can hold");
  uint64_t offset = directory.offset;
  for (uint64_t i = 0; i < directory.count; ++i) offset = read_entry(offset, directory_end);
}

ZipArchive::Directory ZipArchive::find_directory() const {
  check(bytes_.size() >= kEndBytes, "too short");
  const uint64_t last = bytes_.size() - kEndBytes;
  const uint64_t first = last - std::min(last, kMaxCommentBytes);
  uint64_t end = last;
  const auto is_end = [&](uint64_t at) {
    return read_little_endian<uint32_t>(bytes_, at) == kEndSignature &&
           read_little_endian<uint16_t>(bytes_, at + 20) ==
               bytes_.size() - kEndBytes - at;  // the comment fills the rest
  };
  while (end > first && !is_end(end)) --end;
  check(is_end(end), "no end record: is the file truncated?");

  Directory directory{read_little_endian<uint32_t>(bytes_, end + 16), read_little_endian<uint32_t>(bytes_, end + 12),
                      read_little_endian<uint16_t>(bytes_, end + 10)};
  const bool zip64 = directory.offset == kIn64 || directory.size == kIn64 || directory.count == kIn64Short;
  const bool has_locator = end >= kZip64LocatorBytes &&
                           read_little_endian<uint32_t>(bytes_, end - kZip64LocatorBytes) == kZip64LocatorSignature;
  if (zip64 || has_locator) {
    check(has_locator, "no ZIP64 locator, though the end record asks for one");
    directory = read_zip64_end(end);
    end -= kZip64LocatorBytes;
  } else {
    check(read_little_endian<uint16_t>(bytes_, end + 4) == 0 &&
              read_little_endian<uint16_t>(bytes_, end + 8) == directory.count,
          "spread over several disks");
  }
  check(within(directory.offset, directory.size, end), "its directory lies outside the file");
  return directory;
}

ZipArchive::Directory ZipArchive::read_zip64_end(uint64_t end_offset) const {
  const auto at = read_little_endian<uint64_t>(bytes_, end_offset - kZip64LocatorBytes + 8);
  check(within(at, kZip64EndBytes, end_offset - kZip64LocatorBytes), "its ZIP64 end record lies outside the file");
  check(read_little_endian<uint32_t>(bytes_, at) == kZip64EndSignature, "no ZIP64 end record where its locator points");
  const auto count = read_little_endian<uint64_t>(bytes_, at + 32);
  check(read_little_endian<uint32_t>(bytes_, at + 16) == 0 && read_little_endian<uint64_t>(bytes_, at + 24) == count,
        "spread over several disks");
  return {read_little_endian<uint64_t>(bytes_, at + 48), read_little_endian<uint64_t>(bytes_, at + 40), count};
}

uint64_t ZipArchive::read_entry(uint64_t offset, uint64_t directory_end) {
  check(within(offset, kEntryBytes, directory_end), "its directory ends within an entry");
  check(read_little_endian<uint32_t>(bytes_, offset) == kEntrySignature, "an entry of its directory has no signature");
  const auto name_bytes = read_little_endian<uint16_t>(bytes_, offset + 28);
  const auto extra_bytes = read_little_endian<uint16_t>(bytes_, offset + 30);
  const uint64_t total = kEntryBytes + name_bytes + extra_bytes + read_little_endian<uint16_t>(bytes_, offset + 32);
  check(within(offset, total, directory_end), "its directory ends within an entry");
  const std::string_view name(reinterpret_cast<const char*>(bytes_.data() + offset + kEntryBytes), name_bytes);
  const std::string shown = printable(name);
  check((read_little_endian<uint16_t>(bytes_, offset + 8) & kEncrypted) == 0,
        fmt::format("entry '{}' is encrypted", shown));
  const auto method = read_little_endian<uint16_t>(bytes_, offset + 10);
  check(method == 0,
        fmt::format("entry '{}' is compressed (method {}); torch.save stores entries as they are: save it again", shown,
                    method));
  Wide wide{read_little_endian<uint32_t>(bytes_, offset + 24), read_little_endian<uint32_t>(bytes_, offset + 20),
            read_little_endian<uint32_t>(bytes_, offset + 42)};
  check(widen(wide, bytes_.subspan(offset + kEntryBytes + name_bytes, extra_bytes)),
        fmt::format("entry '{}' has a malformed extra field", shown));
  check(wide.size == wide.packed_size, fmt::format("entry '{}' is stored, yet its two sizes differ", shown));
  check(within(wide.header_offset, kLocalBytes, directory_offset_) && wide.size <= directory_offset_,
        fmt::format("entry '{}' lies outside the file", shown));
  check(entries_.emplace(name, Entry{wide.header_offset, wide.size}).second,
        fmt::format("entry '{}' is there twice", shown));
  return offset + total;
}

uint64_t ZipArchive::data_offset(std::string_view name, const Entry& entry) const {
  const uint64_t at = entry.header_offset;
  const std::string shown = printable(name);
  check(read_little_endian<uint32_t>(bytes_, at) == kLocalSignature,
        fmt::format("entry '{}' has no local header", shown));
  const auto name_bytes = read_little_endian<uint16_t>(bytes_, at + 26);
  const uint64_t begin = at + kLocalBytes + name_bytes + read_little_endian<uint16_t>(bytes_, at + 28);
  check(within(begin, entry.size, directory_offset_), fmt::format("entry '{}' runs into the directory", shown));
  const std::string_view local(reinterpret_cast<const char*>(bytes_.data() + at + kLocalBytes), name_bytes);
  check(local == name && read_little_endian<uint16_t>(bytes_, at + 8) == 0,
        fmt::format("entry '{}' is described differently by its local header", shown));
  return begin;
}

}  // namespace wan
