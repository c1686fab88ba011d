// Reads safetensors headers and index files with a streaming JSON parser, so that a hostile header costs no more memory
// than the tensors it declares.
#include "io/safetensors.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/checked.h"
#include "io/printable.h"

namespace wan {
namespace {

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit
constexpr uint64_t kMaxIndexBytes = 64 << 20;
constexpr int kMaxNesting = 16;
constexpr std::string_view kMetadataKey = "__metadata__";

std::optional<DType> dtype_from_name(std::string_view name) {
  for (DType dtype : {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kF8E4M3, DType::kF8E5M2,
                      DType::kF8E8M0, DType::kU8, DType::kI8, DType::kI16, DType::kI32, DType::kI64, DType::kBool})
    if (name == name_of(dtype)) return dtype;
  return std::nullopt;
}

/// Base of both parsers: every event that a subclass does not expect is an error with the place in the file.
class StrictEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit StrictEvents(std::string where) : where_(std::move(where)) {}

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return unexpected("a negative number"); }
  bool number_unsigned(number_unsigned_t) override { return unexpected("a number"); }
  bool number_float(number_float_t, const string_t& text) override { return unexpected("the number " + text); }
  bool string(string_t&) override { return unexpected("a string"); }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool start_array(size_t) override { return unexpected("an array"); }
  bool end_array() override { return unexpected("the end of an array"); }
  bool parse_error(size_t position, const std::string& token, const nlohmann::detail::exception&) override {
    throw Error(ErrorKind::kInput,
                fmt::format("{}: not valid JSON at byte {}, near '{}'", where_, position, printable(token)));
  }

 protected:
  [[noreturn]] bool unexpected(std::string_view what) const { fail(fmt::format("{} where none belongs", what)); }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kInput, entry_.empty() ? fmt::format("{}: {}", where_, what)
                                                  : fmt::format("{}: entry '{}': {}", where_, printable(entry_), what));
  }

  std::string where_;
  std::string entry_;  // name of the tensor being read, for messages
};

struct Declared {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  uint64_t begin = 0;
  uint64_t end = 0;
};

/// {"name": {"dtype": "F32", "shape": [..], "data_offsets": [begin, end]}, "__metadata__": {"key": "value"}}
class HeaderEvents final : public StrictEvents {
 public:
  using StrictEvents::StrictEvents;

  bool start_object(size_t) override {
    if (place_ == Place::kOutside) return go(Place::kTop);
    if (place_ == Place::kTop && !entry_.empty()) return start_entry();
    return unexpected("an object");
  }
  bool end_object() override {
    if (place_ == Place::kTensor) finish_tensor();
    entry_.clear();
    return go(place_ == Place::kTop ? Place::kOutside : Place::kTop);
  }
  bool key(string_t& name) override {
    if (place_ != Place::kTop) {
      field_ = std::move(name);
      return true;
    }
    require(!name.empty(), where_ + ": a tensor without a name");
    entry_ = std::move(name);
    return true;
  }
  bool string(string_t& text) override {
    if (place_ == Place::kMetadata) {
      metadata_.emplace_back(std::exchange(field_, {}), std::move(text));
      return true;
    }
    if (place_ != Place::kTensor || field_ != "dtype" || dtype_) return unexpected("a string");
    dtype_ = dtype_from_name(text);
    if (!dtype_) fail(fmt::format("element type '{}' is not supported", printable(text)));
    return true;
  }
  bool start_array(size_t) override {
    if (place_ == Place::kTensor && field_ == "shape" && !has_shape_) return go(Place::kShape);
    if (place_ == Place::kTensor && field_ == "data_offsets" && offsets_.empty()) return go(Place::kOffsets);
    return unexpected("an array");
  }
  bool end_array() override {
    if (place_ == Place::kShape) has_shape_ = true;
    if (place_ == Place::kOffsets && offsets_.size() != 2) fail("data_offsets must have two numbers");
    return go(Place::kTensor);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ == Place::kShape) {
      if (extents_.size() == kMaxRank) fail(fmt::format("more than {} axes", kMaxRank));
      extents_.push_back(value);
      return true;
    }
    if (place_ == Place::kOffsets && offsets_.size() < 2) {
      offsets_.push_back(value);
      return true;
    }
    return unexpected("a number");
  }

  std::vector<Declared>& tensors() { return tensors_; }
  std::vector<std::pair<std::string, std::string>>& metadata() { return metadata_; }

 private:
  enum class Place { kOutside, kTop, kMetadata, kTensor, kShape, kOffsets };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  bool start_entry() {
    field_.clear();
    if (entry_ == kMetadataKey) {
      if (has_metadata_) fail("given twice");
      has_metadata_ = true;
      return go(Place::kMetadata);
    }
    dtype_.reset();
    extents_.clear();
    offsets_.clear();
    has_shape_ = false;
    return go(Place::kTensor);
  }
  void finish_tensor() {
    if (!dtype_ || !has_shape_ || offsets_.size() != 2) fail("needs dtype, shape and data_offsets");
    if (offsets_[0] > offsets_[1]) fail(fmt::format("data_offsets [{}, {}] run backwards", offsets_[0], offsets_[1]));
    const Shape shape = checked_shape(extents_, *dtype_, fmt::format("{}: entry '{}'", where_, printable(entry_)));
    const uint64_t bytes = static_cast<uint64_t>(shape.count()) * size_of(*dtype_);
    if (offsets_[1] - offsets_[0] != bytes)
      fail(fmt::format("{} {} needs {} bytes, data_offsets [{}, {}] give {}", name_of(*dtype_), shape.text(), bytes,
                       offsets_[0], offsets_[1], offsets_[1] - offsets_[0]));
    tensors_.push_back({entry_, *dtype_, shape, offsets_[0], offsets_[1]});
  }

  Place place_ = Place::kOutside;
  std::string field_;
  std::optional<DType> dtype_;
  std::vector<uint64_t> extents_;
  std::vector<uint64_t> offsets_;
  bool has_shape_ = false;
  bool has_metadata_ = false;
  std::vector<Declared> tensors_;
  std::vector<std::pair<std::string, std::string>> metadata_;
};

/// {"metadata": anything, "weight_map": {"tensor": "file"}}
class IndexEvents final : public StrictEvents {
 public:
  using StrictEvents::StrictEvents;

  bool null() override { return ignored("null"); }
  bool boolean(bool) override { return ignored("a boolean"); }
  bool number_integer(number_integer_t) override { return ignored("a number"); }
  bool number_unsigned(number_unsigned_t) override { return ignored("a number"); }
  bool number_float(number_float_t, const string_t&) override { return ignored("a number"); }
  bool start_object(size_t) override { return enter("an object"); }
  bool end_object() override { return leave(); }
  bool start_array(size_t) override { return in_map_ ? unexpected("an array") : enter("an array"); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (depth_ == 1) in_map_ = name == "weight_map";
    if (depth_ == 1 && in_map_ && std::exchange(has_map_, true)) fail("weight_map is given twice");
    if (in_map_ && depth_ == 2) entry_ = std::move(name);
    return true;
  }
  bool string(string_t& text) override {
    if (!in_map_ || depth_ != 2) return ignored("a string");
    weights_.emplace_back(std::move(entry_), std::move(text));
    entry_.clear();
    return true;
  }

  /// Tensor name, shard file name.
  const std::vector<std::pair<std::string, std::string>>& weights() const { return weights_; }
  bool has_map() const { return has_map_; }

 private:
  bool enter(std::string_view what) {
    if (in_map_ && depth_ >= 2) return unexpected(what);
    if (++depth_ > kMaxNesting) fail("nested too deeply");
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }
  bool ignored(std::string_view what) const {
    if (in_map_ || depth_ == 0) unexpected(what);
    return true;
  }

  int depth_ = 0;
  bool in_map_ = false;
  bool has_map_ = false;
  std::vector<std::pair<std::string, std::string>> weights_;
};

/// The data must be exactly the declared tensors end to end, as the format demands; so nothing overlaps and nothing
/// hides.
void check_layout(std::vector<Declared>& tensors, uint64_t data_bytes, const std::string& path) {
  std::sort(tensors.begin(), tensors.end(),
            [](const Declared& a, const Declared& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  uint64_t reached = 0;
  for (const Declared& tensor : tensors) {
    require(tensor.end <= data_bytes,
            fmt::format("{}: tensor '{}' ends at byte {} of the data, the file has {}: is it truncated?", path,
                        printable(tensor.name), tensor.end, data_bytes));
    require(tensor.begin == reached,
            fmt::format("{}: tensor '{}' begins at byte {} of the data, the one before it ends at {}", path,
                        printable(tensor.name), tensor.begin, reached));
    reached = tensor.end;
  }
  require(reached == data_bytes,
          fmt::format("{}: the tensors end at byte {} of the data, the file has {}", path, reached, data_bytes));
}

void parse(std::string_view text, StrictEvents& events) {
  nlohmann::json::sax_parse(text.begin(), text.end(), &events);
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A shard is a plain name: anything that could lead out of the index's folder is refused.
void check_shard_name(const std::string& name, const std::string& index) {
  const bool plain = !name.empty() && name != "." && name != ".." &&
                     name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  require(plain, fmt::format("{}: shard '{}' is not a file name in the index's own folder", index, printable(name)));
}

/// Every tensor of the index must be in the shard the index gives for it.
void check_promises(const TensorFileBuilder& builder, const std::vector<std::pair<std::string, std::string>>& weights,
                    const std::map<std::string, int>& shards) {
  std::set<std::pair<int, std::string_view>> held;
  for (const StoredTensor& tensor : builder.tensors()) held.emplace(tensor.file, tensor.name);
  for (const auto& [tensor, shard] : weights)
    require(held.contains({shards.at(shard), tensor}),
            fmt::format("{} promises tensor '{}' in {}, which does not hold it", builder.path().string(),
                        printable(tensor), printable(shard)));
}

}  // namespace

bool looks_like_safetensors(std::span<const std::byte> bytes) {
  return bytes.size() > kLengthBytes && bytes[kLengthBytes] == std::byte{'{'} &&
         read_little_endian<uint64_t>(bytes, 0) <= kMaxHeaderBytes;
}

void read_safetensors(TensorFileBuilder& builder, MappedFile file) {
  const std::string path = file.path().string();
  const auto bytes = file.bytes();
  require(bytes.size() >= kLengthBytes,
          fmt::format("{}: {} bytes are too few for a safetensors file", path, bytes.size()));
  const uint64_t header_bytes = read_little_endian<uint64_t>(bytes, 0);
  require(header_bytes <= kMaxHeaderBytes && header_bytes <= bytes.size() - kLengthBytes,
          fmt::format("{}: its safetensors header claims {} bytes, the file has {}: is it truncated?", path,
                      header_bytes, bytes.size()));
  builder.set_format("safetensors");
  HeaderEvents header(path);
  parse(text_of(bytes.subspan(kLengthBytes, header_bytes)), header);
  const uint64_t data_begin = kLengthBytes + header_bytes;
  check_layout(header.tensors(), bytes.size() - data_begin, path);
  const int index = builder.add_file(std::move(file));
  for (Declared& tensor : header.tensors()) {
    const auto strides = row_major_strides(tensor.shape);
    builder.add_tensor(
        {std::move(tensor.name), tensor.dtype, tensor.shape, strides, index, data_begin + tensor.begin, true});
  }
  for (auto& [key, value] : header.metadata()) builder.add_metadata(std::move(key), std::move(value));
}

void read_safetensors_index(TensorFileBuilder& builder, const MappedFile& index) {
  const std::string path = index.path().string();
  require(index.bytes().size() <= kMaxIndexBytes,
          fmt::format("{}: {} bytes are too many for an index", path, index.bytes().size()));
  IndexEvents events(path);
  parse(text_of(index.bytes()), events);
  require(events.has_map() && !events.weights().empty(),
          path + ": no weight_map, so not an index of safetensors shards");
  std::map<std::string, int> shards;
  for (const auto& [tensor, shard] : events.weights()) check_shard_name(shard, path);
  for (const auto& [tensor, shard] : events.weights()) shards.emplace(shard, static_cast<int>(shards.size()));
  std::vector<std::string> in_order(shards.size());
  for (const auto& [shard, at] : shards) in_order[static_cast<size_t>(at)] = shard;
  for (const std::string& shard : in_order) {
    const auto shard_path = index.path().parent_path() / shard;
    std::error_code cannot_be;  // such as a name longer than the file system has
    require(std::filesystem::exists(shard_path, cannot_be),
            fmt::format("{} names the shard {}, which is not there: download it again", path, printable(shard)));
    read_safetensors(builder, MappedFile(shard_path));
  }
  check_promises(builder, events.weights(), shards);
}

}  // namespace wan
