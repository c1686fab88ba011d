// A JSON text as one flat list of nodes: what reading large records needs, with no allocation a value. The text is
// checked in full while it is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wan {

class JsonTree;

enum class JsonKind : uint8_t { kNull, kBoolean, kSigned, kUnsigned, kNumber, kText, kArray, kObject };

/// A value within a tree, which must outlive it. The getters need the right kind.
class JsonValue {
 public:
  JsonValue(const JsonTree& tree, size_t node) : tree_(&tree), node_(node) {}

  JsonKind kind() const;
  bool is_object() const { return kind() == JsonKind::kObject; }
  bool is_array() const { return kind() == JsonKind::kArray; }
  bool is_null() const { return kind() == JsonKind::kNull; }
  bool boolean() const;
  int64_t signed_number() const;     // of kSigned: below 0
  uint64_t unsigned_number() const;  // of kUnsigned
  double number() const;             // of any kind of number
  std::string_view text() const;     // of kText

  std::string_view key() const;  // of a member of an object
  size_t size() const;           // members or elements
  /// The first member or element, where size() > 0.
  JsonValue first() const { return {*tree_, node_ + 1}; }
  /// The one after this in the same object or array, where there is one.
  JsonValue next() const;
  /// The member of that key, nothing where it is missing.
  std::optional<JsonValue> find(std::string_view key) const;

  /// As JSON, cut off behind `most` letters.
  std::string excerpt(size_t most) const;

 private:
  void write(std::string& out, size_t most) const;
  const JsonTree* tree_;
  size_t node_;
};

class JsonTree {
 public:
  /// Throws Error(kInput) naming `where` when the text is not JSON.
  static JsonTree parse(std::string_view text, const std::string& where);

  JsonValue root() const { return {*this, 0}; }

 private:
  friend class JsonValue;
  friend class JsonTreeBuilder;

  struct Text {
    size_t begin = 0, size = 0;  // in `letters_`
  };
  struct Node {
    JsonKind kind = JsonKind::kNull;
    Text key;
    union {
      bool boolean;
      int64_t signed_number;
      uint64_t unsigned_number;
      double number;
      Text text;
      size_t size;  // of arrays and objects
    };
    size_t end = 0;  // the node behind this one and all within it
    Node() : size(0) {}
  };

  std::string_view letters(Text text) const { return std::string_view(letters_).substr(text.begin, text.size); }

  std::vector<Node> nodes_;
  std::string letters_;
};

}  // namespace wan
