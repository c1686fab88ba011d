// A restricted interpreter of the pickles that torch.save writes. It knows a handful of globals as constants and
// interprets them itself: nothing is ever imported, looked up or called by name, and whatever else a pickle asks for is
// an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tensor/dtype.h"

namespace wan {

/// A value's number in its Pickle. Values may refer to each other in circles, so walk them to a fixed depth only.
using PickleRef = uint32_t;

enum class PickleKind : uint8_t {
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kTuple,
  kList,
  kDict,          // dict and OrderedDict; items are key, value, key, value, ...
  kStorageClass,  // torch.FloatStorage and its kin; UntypedStorage is one of bytes
  kDType,         // torch.float8_e4m3fn and its kin
  kOrderedDict,   // the four callables, as constants
  kRebuildTensor,
  kRebuildTypedTensor,  // _rebuild_tensor_v3: a storage of bytes, and the element type as seventh argument
  kRebuildParameter,
  kPersistent,  // items: the persistent id (a tuple)
  kTensor,      // items: the arguments of _rebuild_tensor_v2 or _v3 (a tuple); of the latter also the kDType
};

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  DType dtype = DType::kF32;  // of kStorageClass, kDType, and a kTensor that names its type
  int64_t integer = 0;        // of kInt and kBool
  std::string_view text;      // of kString; lies in the pickle's bytes
  std::vector<PickleRef> items;
};

/// The graph of values a pickle describes. Memory is bounded by a small multiple of its bytes.
class Pickle {
 public:
  /// `bytes` must outlive the object. Throws Error(kInput), begun with `where`, on any opcode, global, callable or
  /// operand off the list, and on any limit exceeded.
  Pickle(std::span<const std::byte> bytes, std::string where);

  PickleRef root() const { return root_; }
  const PickleValue& operator[](PickleRef ref) const { return values_[ref]; }

 private:
  uint64_t take(int count);  // little-endian
  std::string_view take_text(uint64_t length);
  std::string_view take_line();
  PickleRef pop();
  PickleRef top() const;
  std::vector<PickleRef> pop_to_mark();
  void push(PickleRef ref);
  void push_new(PickleValue value);
  void push_integer(int64_t value);
  void push_string(std::string_view text);
  void push_global(std::string_view module, std::string_view name);
  void push_tuple(std::vector<PickleRef> items);
  void push_tuple_of(int count);
  void push_memo(uint64_t index);
  void put_memo(uint64_t index);
  void append_items(std::vector<PickleRef> items, PickleKind kind);
  void reduce();
  void build();
  void run();
  bool step(uint8_t opcode);  // false after STOP
  bool step_literal(uint8_t opcode);
  bool step_container(uint8_t opcode);
  bool step_memo(uint8_t opcode);
  [[noreturn]] void fail(const std::string& what) const;
  void check(bool condition, const char* what) const;

  std::span<const std::byte> bytes_;
  std::string where_;
  uint64_t position_ = 0;
  std::vector<PickleValue> values_;
  std::vector<PickleRef> stack_;
  std::vector<size_t> marks_;  // stack heights
  std::unordered_map<uint64_t, PickleRef> memo_;
  PickleRef root_ = 0;
};

}  // namespace wan
