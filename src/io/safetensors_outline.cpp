// Outlines of safetensors files, of indexes of their shards and of zip archives.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_parse.h"
#include "io/checked.h"
#include "io/file_outline.h"

namespace wan {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr size_t kMostAxes = 16;
constexpr size_t kMostShards = 10'000;

/// Passes over whatever a subclass does not ask for, and knows how deep it is.
class Events : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(size_t) override { return ++depth_ > 0; }
  bool end_object() override { return depth_-- > 0; }
  bool start_array(size_t) override { return ++depth_ > 0; }
  bool end_array() override { return depth_-- > 0; }
  bool key(string_t& name) override {
    if (depth_ <= keys_.size()) keys_[depth_ - 1] = std::move(name);
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

 protected:
  /// The name under which the value at hand, or an object it is in, stands `level` objects down.
  const std::string& name(size_t level) const { return keys_[level]; }

  size_t depth_ = 0;

 private:
  std::array<std::string, 2> keys_;
};

/// {"name": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, "__metadata__": {..}}
class HeaderEvents final : public Events {
 public:
  bool end_object() override {
    if (depth_ == 2 && name(0) != "__metadata__" && !tensor_.type.empty()) {
      tensor_.name = name(0);
      tensors.push_back(std::move(tensor_));
    }
    if (depth_ == 2) tensor_ = {};
    return Events::end_object();
  }
  bool string(string_t& text) override {
    if (depth_ == 2 && name(1) == "dtype") tensor_.type = std::move(text);
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ != 3) return true;
    if (name(1) == "shape" && tensor_.shape.size() < kMostAxes) tensor_.shape.push_back(value);
    if (name(1) == "data_offsets") data_bytes = std::max(data_bytes, value);
    return true;
  }

  std::vector<OutlineTensor> tensors;
  uint64_t data_bytes = 0;

 private:
  OutlineTensor tensor_;
};

/// {"weight_map": {"tensor": "file"}}
class ShardEvents final : public Events {
 public:
  bool string(string_t& text) override {
    if (depth_ == 2 && name(0) == "weight_map" && shards.size() < kMostShards) shards.insert(std::move(text));
    return true;
  }

  std::set<std::string> shards;
};

}  // namespace

FileOutline outline_of_safetensors(std::span<const std::byte> bytes, const std::string& where) {
  require(bytes.size() >= kLengthBytes,
          fmt::format("{}: {} bytes are too few for a safetensors file", where, bytes.size()));
  const auto header_bytes = read_little_endian<uint64_t>(bytes, 0);
  require(header_bytes <= kMaxHeaderBytes,
          fmt::format("{}: its safetensors header claims {} bytes, more than any has", where, header_bytes));
  const uint64_t data_begin = kLengthBytes + header_bytes;
  if (bytes.size() < data_begin) return {{}, {}, data_begin};
  HeaderEvents events;
  const auto header = bytes.subspan(kLengthBytes, header_bytes);
  parse_json({reinterpret_cast<const char*>(header.data()), header.size()}, where, events);
  return {std::move(events.tensors), {}, checked_add(data_begin, events.data_bytes).value_or(UINT64_MAX)};
}

bool lacks_zip_directory(std::span<const std::byte> bytes) {
  constexpr std::array kEnd{std::byte{'P'}, std::byte{'K'}, std::byte{5}, std::byte{6}};
  constexpr size_t kLongestEnd = 22 + 65'535;  // with the longest comment
  const auto tail = bytes.last(std::min(bytes.size(), kLongestEnd));
  return std::search(tail.begin(), tail.end(), kEnd.begin(), kEnd.end()) == tail.end();
}

std::vector<std::string> shards_of_index(std::string_view text, const std::string& where) {
  ShardEvents events;
  parse_json(text, where, events);
  return {events.shards.begin(), events.shards.end()};
}

}  // namespace wan
