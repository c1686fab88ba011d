// Records follow PKWARE's APPNOTE.TXT, section 4.3. Dates are left zero, so that equal contents give equal files.
#include "io/zip_writer.h"

#include <algorithm>

#include <zlib.h>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

constexpr uint64_t kLocalBytes = 30;
constexpr uint64_t kChecksumOffset = 14;  // in a local header
constexpr uint16_t kPlainVersion = 20;
constexpr uint16_t kZip64Version = 45;
constexpr uint16_t kZip64Extra = 0x0001;
constexpr uint16_t kPaddingExtra = 0x4246;  // the kind torch.save uses
constexpr uint32_t kIn64 = 0xffffffff;
constexpr uint64_t kIn64Short = 0xffff;

/// Appends `value` as `bytes` little-endian bytes.
void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

void ZipWriter::begin(std::string name, uint64_t size) {
  end_entry();
  entries_.push_back({std::move(name), size, file_.size(), 0});
  remaining_ = size;
  file_.append(bytes_of(local_header(entries_.back())));
}

void ZipWriter::append(std::span<const std::byte> bytes) {
  require(bytes.size() <= remaining_,
          fmt::format("{}: {} bytes are more than the {} that entry '{}' still lacks", file_.target().string(),
                      bytes.size(), remaining_, entries_.empty() ? "" : entries_.back().name),
          ErrorKind::kRuntime);
  if (bytes.empty()) return;
  file_.append(bytes);
  uint32_t& checksum = entries_.back().checksum;
  checksum = static_cast<uint32_t>(crc32_z(checksum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  remaining_ -= bytes.size();
}

void ZipWriter::add(std::string name, std::span<const std::byte> bytes) {
  begin(std::move(name), bytes.size());
  append(bytes);
}

void ZipWriter::end_entry() {
  if (entries_.empty()) return;
  const Entry& entry = entries_.back();
  require(remaining_ == 0,
          fmt::format("{}: {} bytes of entry '{}' were never written", file_.target().string(), remaining_, entry.name),
          ErrorKind::kRuntime);
  std::string checksum;
  put(checksum, entry.checksum, 4);
  file_.overwrite(entry.header_offset + kChecksumOffset, bytes_of(checksum));
}

std::string ZipWriter::local_header(const Entry& entry) const {
  const bool wide = entry.size > largest_32_;
  std::string extra;
  if (wide) {
    put(extra, kZip64Extra, 2);
    put(extra, 16, 2);
    put(extra, entry.size, 8);
    put(extra, entry.size, 8);
  }
  constexpr uint64_t kExtraHeader = 4;
  const uint64_t unpadded = entry.header_offset + kLocalBytes + entry.name.size() + extra.size() + kExtraHeader;
  const uint64_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  put(extra, kPaddingExtra, 2);
  put(extra, padding, 2);
  extra.append(padding, 'Z');

  std::string header;
  put(header, 0x04034b50, 4);
  put(header, wide ? kZip64Version : kPlainVersion, 2);
  put(header, 0, 2 + 2 + 2 + 2);  // flags, method: stored, time, date
  put(header, 0, 4);              // the checksum, which end_entry fills in
  put(header, wide ? kIn64 : entry.size, 4);
  put(header, wide ? kIn64 : entry.size, 4);
  put(header, entry.name.size(), 2);
  put(header, extra.size(), 2);
  return header + entry.name + extra;
}

std::string ZipWriter::directory_entry(const Entry& entry) const {
  const bool wide_size = entry.size > largest_32_;
  const bool wide_offset = entry.header_offset > largest_32_;
  std::string extra;
  if (wide_size || wide_offset) {
    put(extra, kZip64Extra, 2);
    put(extra, (wide_size ? 16 : 0) + (wide_offset ? 8 : 0), 2);
    if (wide_size) put(extra, entry.size, 8);
    if (wide_size) put(extra, entry.size, 8);
    if (wide_offset) put(extra, entry.header_offset, 8);
  }
  const uint16_t version = extra.empty() ? kPlainVersion : kZip64Version;
  std::string record;
  put(record, 0x02014b50, 4);
  put(record, version, 2);
  put(record, version, 2);
  put(record, 0, 2 + 2 + 2 + 2);  // flags, method, time, date
  put(record, entry.checksum, 4);
  put(record, wide_size ? kIn64 : entry.size, 4);
  put(record, wide_size ? kIn64 : entry.size, 4);
  put(record, entry.name.size(), 2);
  put(record, extra.size(), 2);
  put(record, 0, 2 + 2 + 2);  // comment, disk, internal attributes
  put(record, 0, 4);          // external attributes
  put(record, wide_offset ? kIn64 : entry.header_offset, 4);
  return record + entry.name + extra;
}

std::string ZipWriter::end_records(uint64_t directory_offset, uint64_t directory_bytes) const {
  const uint64_t count = entries_.size();
  const bool wide = directory_offset > largest_32_ || directory_bytes > largest_32_ || count >= kIn64Short;
  std::string records;
  if (wide) {
    put(records, 0x06064b50, 4);
    put(records, 44, 8);  // bytes that follow in this record
    put(records, kZip64Version, 2);
    put(records, kZip64Version, 2);
    put(records, 0, 4 + 4);  // this disk, the directory's disk
    put(records, count, 8);
    put(records, count, 8);
    put(records, directory_bytes, 8);
    put(records, directory_offset, 8);
    put(records, 0x07064b50, 4);
    put(records, 0, 4);
    put(records, directory_offset + directory_bytes, 8);
    put(records, 1, 4);
  }
  put(records, 0x06054b50, 4);
  put(records, 0, 2 + 2);
  put(records, wide ? kIn64Short : count, 2);
  put(records, wide ? kIn64Short : count, 2);
  put(records, wide ? kIn64 : directory_bytes, 4);
  put(records, wide ? kIn64 : directory_offset, 4);
  put(records, 0, 2);
  return records;
}

void ZipWriter::close() {
  end_entry();
  const uint64_t directory_offset = file_.size();
  std::string directory;
  for (const Entry& entry : entries_) directory += directory_entry(entry);
  file_.append(bytes_of(directory + end_records(directory_offset, directory.size())));
}

}  // namespace wan
