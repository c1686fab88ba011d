// Builds well-formed and deliberately broken files for the reader tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "temporary_folder.h"

namespace wan::test {

void write_file(const std::filesystem::path& path, std::string_view bytes);
std::string read_file(const std::filesystem::path& path);

/// `bytes` little-endian bytes of `value`, zeros beyond the eighth.
std::string little(uint64_t value, int bytes);
std::string big(uint32_t value);
template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// Length, header, data.
std::string safetensors(std::string_view header, std::string_view data);

/// Runs `action`, which must throw wan::Error; returns its message, or "" with a test failure when it does not.
std::string refusal(const std::function<void()>& action);
/// The refusal of TensorFile::open for a file of these bytes.
std::string open_refusal(std::string_view bytes);

/// Pickle fragments; concatenate them.
namespace pickle {
std::string text(std::string_view value);
std::string integer(int64_t value);  // BININT, or LONG1 beyond 32 bits
std::string tuple(const std::vector<std::string>& items);
std::string dict(const std::vector<std::string>& keys_and_values);
std::string global(std::string_view module, std::string_view name);
std::string numbers(const std::vector<int64_t>& values);
std::string storage(std::string_view type, std::string_view key, int64_t elements);
std::string tensor(const std::string& storage, int64_t offset, const std::vector<int64_t>& size,
                   const std::vector<int64_t>& stride);
std::string program(const std::string& body);  // PROTO body STOP
}  // namespace pickle

/// A zip archive of stored entries as torch.save writes it, and the ways it can lie.
struct ZipEntrySpec {
  std::string name;
  std::string data;
  uint16_t method = 0;
  uint16_t flags = 0;
  int64_t claimed_size = -1;    // in the directory; -1: the true one
  int64_t claimed_offset = -1;  // of the local header
  std::string local_name = {};  // empty: the same name
};
enum class ZipForm { kPlain, kZip64 };
std::string zip(const std::vector<ZipEntrySpec>& entries, ZipForm form = ZipForm::kPlain);
/// data.pkl and storages "0", "1", ... under "archive/".
std::string pth(const std::string& program, const std::vector<std::string>& storages, ZipForm form = ZipForm::kPlain);

/// A PNG with these header fields and IDAT rows (each with its filter byte); right checksums.
std::string png(uint32_t width, uint32_t height, uint8_t depth, uint8_t colour, std::string_view rows,
                std::string_view extra_chunks = {});
std::string png_chunk(std::string_view type, std::string_view data);

}  // namespace wan::test
