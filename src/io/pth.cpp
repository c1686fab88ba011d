// Turns the pickle of a .pth into tensors: every name, size, offset and stride is checked against the storage it refers
// to.
#include "io/pth.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "io/checked.h"
#include "io/pickle.h"
#include "io/printable.h"

namespace wan {
namespace {

constexpr uint64_t kMaxPickleBytes = 64 << 20;
constexpr std::string_view kPickleName = "/data.pkl";

struct Storage {
  uint64_t offset = 0;  // in the file
  uint64_t bytes = 0;
};

class PthReader {
 public:
  PthReader(TensorFileBuilder& builder, int file)
      : builder_(builder),
        file_(file),
        path_(builder.file(file).path().string()),
        archive_(builder.file(file).bytes(), path_) {}

  void read() {
    root_ = find_root();
    check_byte_order();
    const auto bytes = entry_bytes(root_ + std::string(kPickleName));
    check(bytes.size() <= kMaxPickleBytes, "data.pkl is larger than 64 MiB");
    const Pickle pickle(bytes, path_ + ": data.pkl");
    pickle_ = &pickle;
    if (const PickleValue& alone = pickle[pickle.root()]; alone.kind == PickleKind::kTensor) {
      name_ = kLoneTensor;
      add_tensor(alone);
      return;
    }
    const PickleValue& items = tensor_dict();
    for (size_t i = 0; i + 1 < items.items.size(); i += 2) {
      const PickleValue& key = pickle[items.items[i]];
      check(key.kind == PickleKind::kString, "a tensor's name is no string");
      name_ = key.text;
      add_tensor(pickle[items.items[i + 1]]);
    }
    check_overlap();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorKind::kInput, name_.empty() ? fmt::format("{}: {}", path_, what)
                                                 : fmt::format("{}: tensor '{}': {}", path_, printable(name_), what));
  }
  void check(bool condition, const char* what) const {
    if (!condition) fail(what);
  }

  std::string find_root() const {
    std::string root;
    for (const auto& [name, entry] : archive_.entries()) {
      if (!name.ends_with(kPickleName)) continue;
      check(root.empty(), "a zip archive with several data.pkl, so not written by torch.save");
      root = name.substr(0, name.size() - kPickleName.size());
    }
    check(!root.empty(), "a zip archive without data.pkl, so not written by torch.save");
    return root;
  }

  std::span<const std::byte> entry_bytes(const std::string& name) const {
    const auto at = archive_.entries().find(name);
    if (at == archive_.entries().end()) fail(fmt::format("the archive has no entry '{}'", printable(name)));
    return builder_.file(file_).bytes().subspan(archive_.data_offset(at->first, at->second), at->second.size);
  }

  void check_byte_order() const {
    const std::string name = root_ + "/byteorder";
    if (!archive_.entries().contains(name)) return;
    const auto bytes = entry_bytes(name);
    check(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == "little",
          "it is not little-endian");
  }

  /// The dict of tensors: the pickle's root, or what the root holds under one of the customary keys.
  const PickleValue& tensor_dict() const {
    const PickleValue& root = (*pickle_)[pickle_->root()];
    check(root.kind == PickleKind::kDict, "its pickle is neither a tensor nor a dict of tensors");
    for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
      const PickleValue& key = (*pickle_)[root.items[i]];
      const PickleValue& value = (*pickle_)[root.items[i + 1]];
      const bool customary = key.text == "state_dict" || key.text == "model" || key.text == "module";
      if (key.kind == PickleKind::kString && customary && value.kind == PickleKind::kDict) return value;
    }
    return root;
  }

  const PickleValue& tuple(PickleRef ref, const char* what) const {
    const PickleValue& value = (*pickle_)[ref];
    check(value.kind == PickleKind::kTuple, what);
    return value;
  }

  /// The non-negative integers of a tuple of at most six.
  std::vector<uint64_t> counts(PickleRef ref, const char* what) const {
    const PickleValue& value = tuple(ref, what);
    if (value.items.size() > kMaxRank) fail(fmt::format("more than {} axes", kMaxRank));
    std::vector<uint64_t> out;
    for (PickleRef item : value.items) out.push_back(count(item, what));
    return out;
  }

  uint64_t count(PickleRef ref, const char* what) const {
    const PickleValue& value = (*pickle_)[ref];
    check(value.kind == PickleKind::kInt && value.integer >= 0, what);
    return static_cast<uint64_t>(value.integer);
  }

  /// ("storage", class, key, location, element count); the count must agree with the archive's entry.
  std::pair<Storage, DType> storage(PickleRef ref) {
    const PickleValue& persistent = (*pickle_)[ref];
    check(persistent.kind == PickleKind::kPersistent, "its storage is no persistent id");
    const PickleValue& id = tuple(persistent.items[0], "a persistent id that is no tuple");
    check(id.items.size() == 5 && (*pickle_)[id.items[0]].text == "storage", "a persistent id that is no storage");
    const PickleValue& type = (*pickle_)[id.items[1]];
    const PickleValue& key = (*pickle_)[id.items[2]];
    check(type.kind == PickleKind::kStorageClass, "its storage has no known element type");
    check(key.kind == PickleKind::kString, "its storage's key is no string");
    const uint64_t elements = count(id.items[4], "its storage's element count is no count");
    const Storage found = locate(key.text);
    const auto bytes = checked_multiply(elements, size_of(type.dtype));
    if (bytes != found.bytes)
      fail(fmt::format("storage '{}' claims {} elements of {}, the archive's entry has {} bytes", printable(key.text),
                       elements, name_of(type.dtype), found.bytes));
    return {found, type.dtype};
  }

  /// Of a tensor: its storage, and the element type that the storage has or that the tensor gives it.
  std::pair<Storage, DType> typed_storage(const PickleValue& value) {
    const bool named = value.items.size() == 2;
    const auto [stored, dtype] = storage((*pickle_)[value.items[0]].items[0]);
    if (!named) return {stored, dtype};
    check(dtype == DType::kU8, "its storage should be of bytes, since the tensor names an element type");
    check(stored.bytes % size_of(value.dtype) == 0, "its storage ends within an element");
    return {stored, value.dtype};
  }

  /// Entries are looked up by exact name, so a key cannot lead anywhere else.
  Storage locate(std::string_view key) {
    const auto known = storages_.find(key);
    if (known != storages_.end()) return known->second;
    const auto bytes = entry_bytes(fmt::format("{}/data/{}", root_, key));
    const auto offset = static_cast<uint64_t>(bytes.data() - builder_.file(file_).bytes().data());
    return storages_.emplace(key, Storage{offset, bytes.size()}).first->second;
  }

  void add_tensor(const PickleValue& value) {
    check(value.kind == PickleKind::kTensor, "not a tensor");
    const std::vector<PickleRef>& arguments = (*pickle_)[value.items[0]].items;
    const auto [stored, dtype] = typed_storage(value);
    const uint64_t first = count(arguments[1], "its storage offset is no count");
    const Shape shape = checked_shape(counts(arguments[2], "its size is no tuple of counts"), dtype,
                                      fmt::format("{}: tensor '{}'", path_, printable(name_)));
    const std::vector<uint64_t> strides = counts(arguments[3], "its stride is no tuple of counts");
    check(strides.size() == static_cast<size_t>(shape.rank()), "size and stride have different lengths");
    check_extent(first, shape, strides, stored.bytes / size_of(dtype));
    StoredTensor tensor{std::string(name_),
                        dtype,
                        shape,
                        row_major_strides(shape),
                        file_,
                        stored.offset + first * size_of(dtype),
                        true};
    if (shape.count() == 0) return builder_.add_tensor(std::move(tensor));
    for (int i = 0; i < shape.rank(); ++i)
      if (shape[i] != 1 &&
          static_cast<uint64_t>(tensor.strides[static_cast<size_t>(i)]) != strides[static_cast<size_t>(i)])
        tensor.contiguous = false;
    if (!tensor.contiguous)
      std::transform(strides.begin(), strides.end(), tensor.strides.begin(),
                     [](uint64_t stride) { return static_cast<int64_t>(stride); });
    builder_.add_tensor(std::move(tensor));
  }

  /// The farthest element must lie in the storage, and the tensor must not be larger than the file: strides of zero
  /// would let a few bytes describe any size.
  void check_extent(uint64_t first, const Shape& shape, const std::vector<uint64_t>& strides, uint64_t elements) const {
    std::optional<uint64_t> last = first;
    for (int i = 0; i < shape.rank() && last; ++i) {
      const auto reach =
          checked_multiply(static_cast<uint64_t>(std::max<int64_t>(shape[i], 1) - 1), strides[static_cast<size_t>(i)]);
      last = reach ? checked_add(*last, *reach) : std::nullopt;
    }
    const bool inside = last && (shape.count() == 0 ? first <= elements : *last < elements);
    if (!inside)
      fail(fmt::format("size {} at element {} reaches beyond its storage of {} elements", shape.text(), first,
                       elements));
    check(static_cast<uint64_t>(shape.count()) <= builder_.file(file_).bytes().size(),
          "it has more elements than the file has bytes");
  }

  void check_overlap() {
    name_ = {};
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    for (const auto& [key, storage] : storages_) ranges.emplace_back(storage.offset, storage.bytes);
    std::sort(ranges.begin(), ranges.end());
    for (size_t i = 1; i < ranges.size(); ++i)
      check(ranges[i - 1].first + ranges[i - 1].second <= ranges[i].first, "two storages overlap");
  }

  TensorFileBuilder& builder_;
  int file_;
  std::string path_;
  ZipArchive archive_;
  std::string root_;
  const Pickle* pickle_ = nullptr;
  std::string_view name_;  // of the tensor being read
  std::map<std::string_view, Storage> storages_;
};

}  // namespace

void read_pth(TensorFileBuilder& builder, MappedFile file) {
  builder.set_format("pth");
  const int index = builder.add_file(std::move(file));
  PthReader(builder, index).read();
}

}  // namespace wan
