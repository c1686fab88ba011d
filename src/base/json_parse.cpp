#include "base/json_parse.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"

namespace wan {
namespace {

using Json = nlohmann::json;
using Events = nlohmann::json_sax<Json>;

/// Hands on what the parser finds and counts the levels.
class Bounded final : public Events {
 public:
  Bounded(Events& events, const std::string& where) : events_(events), where_(where) {}

  bool null() override { return events_.null(); }
  bool boolean(bool value) override { return events_.boolean(value); }
  bool number_integer(Json::number_integer_t value) override { return events_.number_integer(value); }
  bool number_unsigned(Json::number_unsigned_t value) override { return events_.number_unsigned(value); }
  bool number_float(Json::number_float_t value, const std::string& text) override {
    return events_.number_float(value, text);
  }
  bool string(std::string& value) override { return events_.string(value); }
  bool binary(Json::binary_t& value) override { return events_.binary(value); }
  bool key(std::string& value) override { return events_.key(value); }
  bool start_object(size_t size) override { return enter(), events_.start_object(size); }
  bool start_array(size_t size) override { return enter(), events_.start_array(size); }
  bool end_object() override { return --depth_, events_.end_object(); }
  bool end_array() override { return --depth_, events_.end_array(); }
  bool parse_error(size_t, const std::string&, const Json::exception& failure) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string_view text = failure.what();
    const size_t mark = text.find("] ");
    throw Error(ErrorKind::kInput, fmt::format("{}: not valid JSON: {}", where_,
                                               mark == std::string_view::npos ? text : text.substr(mark + 2)));
  }

 private:
  void enter() {
    if (++depth_ <= kMostJsonDepth) return;
    throw Error(ErrorKind::kInput,
                fmt::format("{}: expected JSON nested at most {} deep, found it deeper", where_, kMostJsonDepth));
  }

  Events& events_;
  const std::string& where_;
  int depth_ = 0;
};

/// Puts the values together.
class Builder final : public Events {
 public:
  bool null() override { return put(nullptr), true; }
  bool boolean(bool value) override { return put(value), true; }
  bool number_integer(Json::number_integer_t value) override { return put(value), true; }
  bool number_unsigned(Json::number_unsigned_t value) override { return put(value), true; }
  bool number_float(Json::number_float_t value, const std::string&) override { return put(value), true; }
  bool string(std::string& value) override { return put(std::move(value)), true; }
  bool binary(Json::binary_t&) override { return false; }  // no JSON text has any
  bool key(std::string& value) override { return key_ = std::move(value), true; }
  bool start_object(size_t) override { return open_.push_back(put(Json::object())), true; }
  bool start_array(size_t) override { return open_.push_back(put(Json::array())), true; }
  bool end_object() override { return open_.pop_back(), true; }
  bool end_array() override { return open_.pop_back(), true; }
  bool parse_error(size_t, const std::string&, const Json::exception&) override { return false; }

  Json take() { return std::move(root_); }

 private:
  /// A pointer stays good while its value is open: nothing is added beside it meanwhile.
  Json* put(Json value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Json& around = *open_.back();
    if (around.is_object()) return &(around[key_] = std::move(value));
    around.push_back(std::move(value));
    return &around.back();
  }

  Json root_;
  std::vector<Json*> open_;
  std::string key_;
};

}  // namespace

bool parse_json(std::string_view text, const std::string& where, Events& events, JsonComments comments) {
  Bounded bounded(events, where);
  return Json::sax_parse(text.begin(), text.end(), &bounded, Json::input_format_t::json, /*strict=*/true,
                         comments == JsonComments::kIgnored);
}

Json parse_json(std::string_view text, const std::string& where, JsonComments comments) {
  Builder builder;
  parse_json(text, where, builder, comments);
  return builder.take();
}

}  // namespace wan
