// The pickle is written in protocol 2 without memo entries: a program of the few opcodes that torch's own weights-only
// loader and this project's reader know.
#include "io/pth_writer.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/error.h"
#include "io/checked.h"
#include "io/streamed_file.h"
#include "io/zip_writer.h"

namespace wan {
namespace {

constexpr char kMark = '(', kTuple = 't', kReduce = 'R', kEmptyTuple = ')', kNewFalse = '\x89', kPersistentId = 'Q';
constexpr char kSetItems = 'u', kStop = '.';

std::string global(const char* module, const char* name) { return fmt::format("c{}\n{}\n", module, name); }

void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

std::string text(const std::string& value) {
  std::string out = "X";
  put(out, value.size(), 4);
  return out + value;
}

/// BININT where 31 bits suffice, else LONG1.
std::string integer(int64_t value) {
  const bool narrow = value <= INT32_MAX;
  std::string out = narrow ? "J" : "\x8a\x08";
  put(out, static_cast<uint64_t>(value), narrow ? 4 : 8);
  return out;
}

std::string tuple(std::span<const int64_t> values) {
  std::string out{kMark};
  for (int64_t value : values) out += integer(value);
  return out + kTuple;
}

std::string empty_ordered_dict() { return global("collections", "OrderedDict") + kEmptyTuple + kReduce; }

const char* storage_class(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "FloatStorage";
    case DType::kF16: return "HalfStorage";
    case DType::kBF16: return "BFloat16Storage";
    case DType::kF64: return "DoubleStorage";
    case DType::kU8: return "ByteStorage";
    case DType::kI8: return "CharStorage";
    case DType::kI16: return "ShortStorage";
    case DType::kI32: return "IntStorage";
    case DType::kI64: return "LongStorage";
    case DType::kBool: return "BoolStorage";
    case DType::kF8E4M3:
    case DType::kF8E5M2:
    case DType::kF8E8M0: break;
  }
  throw Error(fmt::format("a .pth file cannot hold tensors of {}", name_of(dtype)));
}

/// The call that rebuilds one tensor from storage `key`.
std::string tensor(const PthWriter::Declared& declared, size_t key) {
  std::vector<int64_t> strides(declared.shape.extents().size());
  int64_t stride = 1;
  for (int axis = declared.shape.rank() - 1; axis >= 0; --axis) {
    strides[static_cast<size_t>(axis)] = stride;
    stride *= declared.shape[axis];
  }
  std::string out = global("torch._utils", "_rebuild_tensor_v2") + kMark;
  out += kMark + text("storage") + global("torch", storage_class(declared.dtype)) + text(std::to_string(key));
  out += text("cpu") + integer(declared.shape.count()) + kTuple + kPersistentId;
  out += integer(0) + tuple(declared.shape.extents()) + tuple(strides) + kNewFalse + empty_ordered_dict();
  return out + kTuple + kReduce;
}

std::string pickle(const std::string& path, const std::vector<PthWriter::Declared>& tensors) {
  std::set<std::string_view> names;
  std::string out = "\x80\x02" + empty_ordered_dict() + kMark;
  for (size_t i = 0; i < tensors.size(); ++i) {
    require(names.insert(tensors[i].name).second, fmt::format("{}: two tensors are named '{}'", path, tensors[i].name),
            ErrorKind::kRuntime);
    out += text(tensors[i].name) + tensor(tensors[i], i);
  }
  return out + kSetItems + kStop;
}

}  // namespace

struct PthWriter::State {
  StreamedFile file;
  ZipWriter zip;
  std::string root;  // of the archive's names; torch takes the file's stem
  std::vector<uint64_t> sizes;
  size_t begun = 0;  // storages

  State(const std::filesystem::path& path, uint64_t largest_32)
      : file(path), zip(file, largest_32), root(path.stem().string()) {}

  void add(const char* name, const std::string& content) {
    zip.add(fmt::format("{}/{}", root, name), std::as_bytes(std::span(content)));
  }
  /// Begins storages until one wants data. False when there is none.
  bool open_next() {
    while (zip.remaining() == 0 && begun < sizes.size()) {
      zip.begin(fmt::format("{}/data/{}", root, begun), sizes[begun]);
      ++begun;
    }
    return zip.remaining() > 0;
  }
};

PthWriter::PthWriter(const std::filesystem::path& path, const std::vector<Declared>& tensors)
    : PthWriter(path, tensors, ZipWriter::kLargest32) {}

PthWriter::PthWriter(const std::filesystem::path& path, const std::vector<Declared>& tensors, uint64_t largest_32) {
  const std::string program = pickle(path.string(), tensors);
  state_ = std::make_unique<State>(path, largest_32);
  for (const Declared& declared : tensors) {
    const auto bytes = checked_multiply(static_cast<uint64_t>(declared.shape.count()), size_of(declared.dtype));
    require(bytes.has_value(), fmt::format("{}: tensor '{}' overflows 64 bits", path.string(), declared.name),
            ErrorKind::kRuntime);
    state_->sizes.push_back(*bytes);
  }
  state_->add("data.pkl", program);
  state_->add("byteorder", "little");
}

PthWriter::~PthWriter() = default;

void PthWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (!state_->open_next())
      throw Error(fmt::format("{}: {} bytes more than declared", state_->file.target().string(), bytes.size()));
    const size_t count = std::min<uint64_t>(bytes.size(), state_->zip.remaining());
    state_->zip.append(bytes.first(count));
    bytes = bytes.subspan(count);
  }
}

void PthWriter::finish(Sync sync) {
  if (state_->open_next())
    throw Error(fmt::format("{}: {} bytes of storage {} were never written, nor what follows it",
                            state_->file.target().string(), state_->zip.remaining(), state_->begun - 1));
  state_->add("version", "3\n");
  state_->zip.close();
  state_->file.finish(sync);
}

}  // namespace wan
