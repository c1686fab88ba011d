#include "results/json_tree.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "base/json_parse.h"

namespace wan {

/// Takes what the parser finds; the names are the parser's.
class JsonTreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  using Json = nlohmann::json;

  bool null() override { return put(JsonKind::kNull), true; }
  bool boolean(bool value) override { return put(JsonKind::kBoolean).boolean = value, true; }
  bool number_integer(Json::number_integer_t value) override {
    return put(JsonKind::kSigned).signed_number = value, true;
  }
  bool number_unsigned(Json::number_unsigned_t value) override {
    return put(JsonKind::kUnsigned).unsigned_number = value, true;
  }
  bool number_float(Json::number_float_t value, const std::string&) override {
    return put(JsonKind::kNumber).number = value, true;
  }
  bool string(std::string& value) override { return put(JsonKind::kText).text = keep(value), true; }
  bool binary(Json::binary_t&) override { return false; }  // no JSON text has any
  bool start_object(size_t) override { return open(JsonKind::kObject); }
  bool start_array(size_t) override { return open(JsonKind::kArray); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& value) override { return key_ = keep(value), true; }
  bool parse_error(size_t, const std::string&, const Json::exception&) override { return false; }

  JsonTree take() { return std::move(tree_); }

 private:
  JsonTree::Node& put(JsonKind kind) {
    if (!open_.empty()) ++tree_.nodes_[open_.back()].size;
    JsonTree::Node& node = tree_.nodes_.emplace_back();
    node.kind = kind;
    node.key = std::exchange(key_, {});
    node.end = tree_.nodes_.size();
    return node;
  }
  bool open(JsonKind kind) {
    put(kind).size = 0;
    open_.push_back(tree_.nodes_.size() - 1);
    return true;
  }
  bool close() {
    tree_.nodes_[open_.back()].end = tree_.nodes_.size();
    open_.pop_back();
    return true;
  }
  JsonTree::Text keep(const std::string& value) {
    const JsonTree::Text text{tree_.letters_.size(), value.size()};
    tree_.letters_ += value;
    return text;
  }

  JsonTree tree_;
  std::vector<size_t> open_;  // arrays and objects around the next value, innermost last
  JsonTree::Text key_;        // of the next value
};

JsonTree JsonTree::parse(std::string_view text, const std::string& where) {
  JsonTreeBuilder builder;
  parse_json(text, where, builder);
  return builder.take();
}

JsonKind JsonValue::kind() const { return tree_->nodes_[node_].kind; }
bool JsonValue::boolean() const { return tree_->nodes_[node_].boolean; }
int64_t JsonValue::signed_number() const { return tree_->nodes_[node_].signed_number; }
uint64_t JsonValue::unsigned_number() const { return tree_->nodes_[node_].unsigned_number; }
double JsonValue::number() const {
  const JsonTree::Node& node = tree_->nodes_[node_];
  if (node.kind == JsonKind::kSigned) return static_cast<double>(node.signed_number);
  return node.kind == JsonKind::kUnsigned ? static_cast<double>(node.unsigned_number) : node.number;
}
std::string_view JsonValue::text() const { return tree_->letters(tree_->nodes_[node_].text); }
std::string_view JsonValue::key() const { return tree_->letters(tree_->nodes_[node_].key); }
size_t JsonValue::size() const { return is_object() || is_array() ? tree_->nodes_[node_].size : 0; }
JsonValue JsonValue::next() const { return {*tree_, tree_->nodes_[node_].end}; }

std::optional<JsonValue> JsonValue::find(std::string_view name) const {
  const size_t members = is_object() ? size() : 0;
  JsonValue member = first();
  for (size_t i = 0; i < members; ++i, member = member.next())
    if (member.key() == name) return member;
  return std::nullopt;
}

std::string JsonValue::excerpt(size_t most) const {
  std::string out;
  write(out, most);
  return out.size() > most ? out.substr(0, most) + "..." : out;
}

void JsonValue::write(std::string& out, size_t most) const {
  const auto as_json = [](const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  switch (kind()) {
    case JsonKind::kNull: out += "null"; return;
    case JsonKind::kBoolean: out += boolean() ? "true" : "false"; return;
    case JsonKind::kSigned: out += std::to_string(signed_number()); return;
    case JsonKind::kUnsigned: out += std::to_string(unsigned_number()); return;
    case JsonKind::kNumber: out += as_json(number()); return;
    case JsonKind::kText: out += as_json(text()); return;
    case JsonKind::kArray:
    case JsonKind::kObject: break;
  }
  out += is_object() ? '{' : '[';
  JsonValue member = first();
  for (size_t i = 0; i < size() && out.size() <= most; ++i, member = member.next()) {
    if (i > 0) out += ',';
    if (is_object()) out += as_json(member.key()) + ":";
    member.write(out, most);
  }
  out += is_object() ? '}' : ']';
}

}  // namespace wan
