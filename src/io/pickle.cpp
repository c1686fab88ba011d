// Interprets the allowed opcodes of pickle protocols 2 to 5. Opcode values: Python's documentation of pickletools.
#include "io/pickle.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "io/checked.h"
#include "io/printable.h"

namespace wan {
namespace {

constexpr size_t kMaxValues = 1 << 20;  // a checkpoint needs about 30 a tensor
constexpr size_t kMaxStack = 1 << 20;
constexpr uint64_t kMaxTextBytes = 1 << 16;
constexpr uint64_t kMaxProtocol = 5;

// Values every pickle begins with, so that the one-byte opcodes for them cost no memory.
constexpr PickleRef kNoneRef = 0;
constexpr PickleRef kFalseRef = 1;
constexpr PickleRef kTrueRef = 2;
constexpr PickleRef kEmptyTupleRef = 3;

enum Opcode : uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kBinFloat = 'G',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersid = 'Q',
  kReduce = 'R',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kEmptyDict = '}',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kEmptyList = ']',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kEmptyTuple = ')',
  kSetItems = 'u',
  kProto = 0x80,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
};

struct Global {
  std::string_view module;
  std::string_view name;
  PickleKind kind;
  DType dtype = DType::kF32;
};

constexpr std::array kGlobals = {
    Global{"collections", "OrderedDict", PickleKind::kOrderedDict},
    Global{"torch._utils", "_rebuild_tensor_v2", PickleKind::kRebuildTensor},
    Global{"torch._utils", "_rebuild_tensor_v3", PickleKind::kRebuildTypedTensor},
    Global{"torch._utils", "_rebuild_parameter", PickleKind::kRebuildParameter},
    Global{"torch", "FloatStorage", PickleKind::kStorageClass, DType::kF32},
    Global{"torch", "HalfStorage", PickleKind::kStorageClass, DType::kF16},
    Global{"torch", "BFloat16Storage", PickleKind::kStorageClass, DType::kBF16},
    Global{"torch", "DoubleStorage", PickleKind::kStorageClass, DType::kF64},
    Global{"torch", "LongStorage", PickleKind::kStorageClass, DType::kI64},
    Global{"torch", "IntStorage", PickleKind::kStorageClass, DType::kI32},
    Global{"torch", "ShortStorage", PickleKind::kStorageClass, DType::kI16},
    Global{"torch", "CharStorage", PickleKind::kStorageClass, DType::kI8},
    Global{"torch", "ByteStorage", PickleKind::kStorageClass, DType::kU8},
    Global{"torch", "BoolStorage", PickleKind::kStorageClass, DType::kBool},
    Global{"torch", "Float8_e4m3fnStorage", PickleKind::kStorageClass, DType::kF8E4M3},
    Global{"torch", "Float8_e5m2Storage", PickleKind::kStorageClass, DType::kF8E5M2},
    Global{"torch", "UntypedStorage", PickleKind::kStorageClass, DType::kU8},
    Global{"torch.storage", "UntypedStorage", PickleKind::kStorageClass, DType::kU8},
    Global{"torch", "float8_e4m3fn", PickleKind::kDType, DType::kF8E4M3},
    Global{"torch", "float8_e5m2", PickleKind::kDType, DType::kF8E5M2},
    Global{"torch", "float8_e8m0fnu", PickleKind::kDType, DType::kF8E8M0},
};

}  // namespace

Pickle::Pickle(std::span<const std::byte> bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {
  values_.resize(4);
  values_[kFalseRef].kind = PickleKind::kBool;
  values_[kTrueRef].kind = PickleKind::kBool;
  values_[kTrueRef].integer = 1;
  values_[kEmptyTupleRef].kind = PickleKind::kTuple;
  run();
}

void Pickle::fail(const std::string& what) const {
  throw Error(ErrorKind::kInput, fmt::format("{}, before byte {}: {}", where_, position_, what));
}

void Pickle::check(bool condition, const char* what) const {
  if (!condition) fail(what);
}

uint64_t Pickle::take(int count) {
  check(within(position_, static_cast<uint64_t>(count), bytes_.size()), "the pickle ends within an operand");
  uint64_t value = 0;
  for (int i = count - 1; i >= 0; --i)
    value = value << 8 | static_cast<uint8_t>(bytes_[position_ + static_cast<uint64_t>(i)]);
  position_ += static_cast<uint64_t>(count);
  return value;
}

std::string_view Pickle::take_text(uint64_t length) {
  check(length <= kMaxTextBytes, "a string longer than 65536 bytes");
  check(within(position_, length, bytes_.size()), "the pickle ends within a string");
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + position_, length);
  position_ += length;
  return text;
}

std::string_view Pickle::take_line() {
  const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + position_, bytes_.size() - position_);
  const size_t length = rest.substr(0, kMaxTextBytes).find('\n');
  check(length != std::string_view::npos, "a name without an end");
  position_ += length + 1;
  return rest.substr(0, length);
}

PickleRef Pickle::top() const {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  check(stack_.size() > floor, "the stack is empty");
  return stack_.back();
}

PickleRef Pickle::pop() {
  const PickleRef ref = top();
  stack_.pop_back();
  return ref;
}

std::vector<PickleRef> Pickle::pop_to_mark() {
  check(!marks_.empty(), "no mark on the stack");
  const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  std::vector<PickleRef> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  marks_.pop_back();
  return items;
}

void Pickle::push(PickleRef ref) {
  check(stack_.size() < kMaxStack, "the stack grows beyond 1048576 values");
  stack_.push_back(ref);
}

void Pickle::push_new(PickleValue value) {
  check(values_.size() < kMaxValues, "more than 1048576 values");
  values_.push_back(std::move(value));
  push(static_cast<PickleRef>(values_.size() - 1));
}

void Pickle::push_integer(int64_t value) {
  PickleValue integer;
  integer.kind = PickleKind::kInt;
  integer.integer = value;
  push_new(std::move(integer));
}

void Pickle::push_string(std::string_view text) {
  PickleValue string;
  string.kind = PickleKind::kString;
  string.text = text;
  push_new(std::move(string));
}

void Pickle::push_tuple(std::vector<PickleRef> items) {
  if (items.empty()) return push(kEmptyTupleRef);
  PickleValue tuple;
  tuple.kind = PickleKind::kTuple;
  tuple.items = std::move(items);
  push_new(std::move(tuple));
}

void Pickle::push_tuple_of(int count) {
  std::vector<PickleRef> items(static_cast<size_t>(count));
  for (int i = count - 1; i >= 0; --i) items[static_cast<size_t>(i)] = pop();
  push_tuple(std::move(items));
}

void Pickle::push_global(std::string_view module, std::string_view name) {
  for (const Global& global : kGlobals) {
    if (global.module != module || global.name != name) continue;
    PickleValue value;
    value.kind = global.kind;
    value.dtype = global.dtype;
    return push_new(std::move(value));
  }
  fail(fmt::format(
      "it asks for '{}.{}', which tensors do not need; such a file can run code elsewhere, so it is refused",
      printable(module), printable(name)));
}

void Pickle::push_memo(uint64_t index) {
  const auto at = memo_.find(index);
  check(at != memo_.end(), "a memo entry that was never stored");
  push(at->second);
}

void Pickle::put_memo(uint64_t index) {
  memo_[index] = top();
  check(memo_.size() <= kMaxValues, "more than 1048576 memo entries");
}

void Pickle::append_items(std::vector<PickleRef> items, PickleKind kind) {
  PickleValue& target = values_[top()];
  check(target.kind == kind, "items added to something that is no dict or list");
  check(kind != PickleKind::kDict || items.size() % 2 == 0, "a key without a value");
  target.items.insert(target.items.end(), items.begin(), items.end());
}

void Pickle::reduce() {
  const PickleRef arguments = pop();
  const PickleRef callable = pop();
  check(values_[arguments].kind == PickleKind::kTuple, "arguments that are no tuple");
  const std::vector<PickleRef>& given = values_[arguments].items;
  PickleValue result;
  switch (values_[callable].kind) {
    case PickleKind::kOrderedDict:
      check(given.empty(), "OrderedDict called with arguments");
      result.kind = PickleKind::kDict;
      return push_new(std::move(result));
    case PickleKind::kRebuildTensor:
      check(given.size() == 6 || given.size() == 7, "_rebuild_tensor_v2 called with other than six or seven arguments");
      result.kind = PickleKind::kTensor;
      result.items = {arguments};
      return push_new(std::move(result));
    case PickleKind::kRebuildTypedTensor:
      check((given.size() == 7 || given.size() == 8) && values_[given[6]].kind == PickleKind::kDType,
            "_rebuild_tensor_v3 called without a known element type as its seventh argument");
      result.kind = PickleKind::kTensor;
      result.dtype = values_[given[6]].dtype;
      result.items = {arguments, given[6]};
      return push_new(std::move(result));
    case PickleKind::kRebuildParameter:
      check(given.size() == 3 && values_[given[0]].kind == PickleKind::kTensor,
            "_rebuild_parameter called without a tensor");
      return push(given[0]);
    default: fail("something is called that is not one of the four functions tensors need");
  }
}

void Pickle::build() {
  pop();  // attributes such as _metadata, of no use here
  check(values_[top()].kind == PickleKind::kDict, "attributes set on something that is no dict");
}

bool Pickle::step_literal(uint8_t opcode) {
  switch (opcode) {
    case kNone: push(kNoneRef); return true;
    case kNewTrue: push(kTrueRef); return true;
    case kNewFalse: push(kFalseRef); return true;
    case kBinInt: push_integer(static_cast<int32_t>(take(4))); return true;
    case kBinInt1: push_integer(static_cast<int64_t>(take(1))); return true;
    case kBinInt2: push_integer(static_cast<int64_t>(take(2))); return true;
    case kLong1:
    case kLong4: {
      const uint64_t bytes = take(opcode == kLong1 ? 1 : 4);
      check(bytes <= 8, "an integer of more than 64 bits");
      if (bytes == 0) return push_integer(0), true;
      const auto unused = static_cast<int>(64 - 8 * bytes);  // shifting up and down again extends the sign
      push_integer(static_cast<int64_t>(take(static_cast<int>(bytes)) << unused) >> unused);
      return true;
    }
    case kBinFloat: {
      take(8);
      PickleValue real;
      real.kind = PickleKind::kFloat;
      push_new(std::move(real));
      return true;
    }
    case kShortBinUnicode: push_string(take_text(take(1))); return true;
    case kBinUnicode: push_string(take_text(take(4))); return true;
    case kBinUnicode8: push_string(take_text(take(8))); return true;
    default: return false;
  }
}

bool Pickle::step_container(uint8_t opcode) {
  switch (opcode) {
    case kEmptyTuple: push(kEmptyTupleRef); return true;
    case kTuple: push_tuple(pop_to_mark()); return true;
    case kTuple1: push_tuple_of(1); return true;
    case kTuple2: push_tuple_of(2); return true;
    case kTuple3: push_tuple_of(3); return true;
    case kEmptyList:
    case kEmptyDict: {
      PickleValue container;
      container.kind = opcode == kEmptyList ? PickleKind::kList : PickleKind::kDict;
      push_new(std::move(container));
      return true;
    }
    case kAppend: {
      const PickleRef item = pop();
      append_items({item}, PickleKind::kList);
      return true;
    }
    case kSetItem: {
      const PickleRef value = pop();
      const PickleRef key = pop();
      append_items({key, value}, PickleKind::kDict);
      return true;
    }
    case kAppends: append_items(pop_to_mark(), PickleKind::kList); return true;
    case kSetItems: append_items(pop_to_mark(), PickleKind::kDict); return true;
    default: return false;
  }
}

bool Pickle::step_memo(uint8_t opcode) {
  switch (opcode) {
    case kBinGet: push_memo(take(1)); return true;
    case kLongBinGet: push_memo(take(4)); return true;
    case kBinPut: put_memo(take(1)); return true;
    case kLongBinPut: put_memo(take(4)); return true;
    case kMemoize: put_memo(memo_.size()); return true;
    case kDup: push(top()); return true;
    case kPop: pop(); return true;
    case kPopMark: pop_to_mark(); return true;
    case kMark:
      check(marks_.size() < kMaxStack, "more than 1048576 marks");
      marks_.push_back(stack_.size());
      return true;
    default: return false;
  }
}

bool Pickle::step(uint8_t opcode) {
  if (step_literal(opcode) || step_container(opcode) || step_memo(opcode)) return true;
  switch (opcode) {
    case kProto: check(take(1) <= kMaxProtocol, "a pickle protocol newer than 5"); return true;
    case kFrame: take(8); return true;
    case kGlobal: {
      const std::string_view module = take_line();
      push_global(module, take_line());
      return true;
    }
    case kStackGlobal: {
      const PickleRef name = pop();
      const PickleRef module = pop();
      check(values_[name].kind == PickleKind::kString && values_[module].kind == PickleKind::kString,
            "a global whose name is no string");
      push_global(values_[module].text, values_[name].text);
      return true;
    }
    case kBinPersid: {
      PickleValue persistent;
      persistent.kind = PickleKind::kPersistent;
      persistent.items = {pop()};
      push_new(std::move(persistent));
      return true;
    }
    case kReduce: reduce(); return true;
    case kBuild: build(); return true;
    case kStop: return false;
    default: fail(fmt::format("opcode 0x{:02x} is not one that tensors need", opcode));
  }
}

void Pickle::run() {
  while (step(static_cast<uint8_t>(take(1)))) {
  }
  root_ = pop();
  check(stack_.empty() && marks_.empty(), "values are left over at its end");
}

}  // namespace wan
