#include "builders.h"

#include <zlib.h>

#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "base/error.h"
#include "io/tensor_file.h"

namespace wan::test {

void write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string little(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(i < 8 ? static_cast<char>(value >> (8 * i)) : 0);
  return out;
}

std::string big(uint32_t value) {
  std::string out;
  for (int i = 3; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::string safetensors(std::string_view header, std::string_view data) {
  return little(header.size(), 8) + std::string(header) + std::string(data);
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInput) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "expected wan::Error";
  return {};
}

std::string open_refusal(std::string_view bytes) {
  const TemporaryFolder folder;
  write_file(folder / "file", bytes);
  const std::string message = refusal([&] { TensorFile::open(folder / "file"); });
  EXPECT_NE(message.find((folder / "file").string()), std::string::npos) << "does not name the file: " << message;
  return message;
}

namespace pickle {

std::string text(std::string_view value) { return "X" + little(value.size(), 4) + std::string(value); }

std::string integer(int64_t value) {
  if (value == static_cast<int32_t>(value)) return "J" + little(static_cast<uint64_t>(value), 4);
  return "\x8a\x08" + little(static_cast<uint64_t>(value), 8);
}

std::string tuple(const std::vector<std::string>& items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}

std::string dict(const std::vector<std::string>& keys_and_values) {
  std::string out = "}(";
  for (const std::string& item : keys_and_values) out += item;
  return out + "u";
}

std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}

std::string numbers(const std::vector<int64_t>& values) {
  std::vector<std::string> items;
  for (int64_t value : values) items.push_back(integer(value));
  return tuple(items);
}

std::string storage(std::string_view type, std::string_view key, int64_t elements) {
  return tuple({text("storage"), global("torch", type), text(key), text("cpu"), integer(elements)}) + "Q";
}

std::string tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& size,
                   const std::vector<int64_t>& stride) {
  const std::string hooks = global("collections", "OrderedDict") + ")R";
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple({storage, integer(offset), numbers(size), numbers(stride), "\x89", hooks}) + "R";
}

std::string program(const std::string& body) { return "\x80\x02" + body + "."; }

}  // namespace pickle

std::string zip(const std::vector<ZipEntrySpec>& entries, ZipForm form) {
  const bool wide = form == ZipForm::kZip64;
  std::string out;
  std::string directory;
  for (const ZipEntrySpec& entry : entries) {
    const std::string& local_name = entry.local_name.empty() ? entry.name : entry.local_name;
    const uint64_t offset = entry.claimed_offset < 0 ? out.size() : static_cast<uint64_t>(entry.claimed_offset);
    const uint64_t size = entry.claimed_size < 0 ? entry.data.size() : static_cast<uint64_t>(entry.claimed_size);
    const size_t padding =
        (64 - (out.size() + 30 + local_name.size() + 4) % 64) % 64;  // data at multiples of 64, as torch
    out += "PK\x03\x04" + little(0, 2) + little(entry.flags, 2) + little(entry.method, 2) + little(0, 8) +
           little(entry.data.size(), 4) + little(entry.data.size(), 4) + little(local_name.size(), 2) +
           little(padding + 4, 2) + local_name + "FB" + little(padding, 2) + std::string(padding, 'Z') + entry.data;
    const std::string extra =
        wide ? little(1, 2) + little(24, 2) + little(size, 8) + little(size, 8) + little(offset, 8) : "";
    directory += "PK\x01\x02" + little(0, 4) + little(entry.flags, 2) + little(entry.method, 2) + little(0, 8);
    directory +=
        little(wide ? 0xffffffff : size, 4) + little(wide ? 0xffffffff : size, 4) + little(entry.name.size(), 2);
    directory += little(extra.size(), 2) + little(0, 10) + little(wide ? 0xffffffff : offset, 4) + entry.name + extra;
  }
  const uint64_t begin = out.size();
  out += directory;
  const uint64_t end64 = out.size();
  if (wide) {
    out += "PK\x06\x06" + little(44, 8) + little(0, 4) + little(0, 8) + little(entries.size(), 8) +
           little(entries.size(), 8) + little(directory.size(), 8) + little(begin, 8);
    out += "PK\x06\x07" + little(0, 4) + little(end64, 8) + little(1, 4);
  }
  out += "PK\x05\x06" + little(0, 4) + little(wide ? 0xffff : entries.size(), 2) +
         little(wide ? 0xffff : entries.size(), 2);
  return out + little(wide ? 0xffffffff : directory.size(), 4) + little(wide ? 0xffffffff : begin, 4) + little(0, 2);
}

std::string pth(const std::string& program, const std::vector<std::string>& storages, ZipForm form) {
  std::vector<ZipEntrySpec> entries = {{"archive/data.pkl", program}, {"archive/byteorder", "little"}};
  for (size_t i = 0; i < storages.size(); ++i) entries.push_back({"archive/data/" + std::to_string(i), storages[i]});
  entries.push_back({"archive/version", "3\n"});
  return zip(entries, form);
}

std::string png_chunk(std::string_view type, std::string_view data) {
  const std::string body = std::string(type) + std::string(data);
  const auto checksum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big(static_cast<uint32_t>(data.size())) + body + big(static_cast<uint32_t>(checksum));
}

std::string png(uint32_t width, uint32_t height, uint8_t depth, uint8_t colour, std::string_view rows,
                std::string_view extra_chunks) {
  std::string packed(compressBound(static_cast<uLong>(rows.size())), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(rows.data()),
           static_cast<uLong>(rows.size()));
  packed.resize(size);
  const std::string header =
      big(width) + big(height) + static_cast<char>(depth) + static_cast<char>(colour) + std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + std::string(extra_chunks) + png_chunk("IDAT", packed) +
         png_chunk("IEND", "");
}

}  // namespace wan::test
