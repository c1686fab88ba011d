// JSON written straight into text: for the many small objects of a trace, where a tree of them would be most of the
// work.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace wan::report {

/// The text as a JSON string, quotes included. What is not UTF-8 becomes U+FFFD.
std::string json_string(std::string_view text);

/// A number with 12 digits at most: Perfetto (v52) misreads numbers of 20 digits behind the point,
/// 0.00010209092944840822 becomes 0.0013. What is no number is null.
std::string short_number(double value);

/// One object, its members in the order in which they are added.
class JsonText {
 public:
  JsonText& add(std::string_view key, std::string_view value) { return put(key, json_string(value)); }
  JsonText& add(std::string_view key, const char* value) { return put(key, json_string(value)); }
  JsonText& add(std::string_view key, const std::string& value) { return put(key, json_string(value)); }
  JsonText& add(std::string_view key, double value) { return put(key, short_number(value)); }
  JsonText& add(std::string_view key, std::same_as<bool> auto value) { return put(key, value ? "true" : "false"); }
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonText& add(std::string_view key, T value) {
    return put(key, std::to_string(value));
  }
  JsonText& add(std::string_view key, const std::vector<std::string>& values);

  std::string text() const { return "{" + members_ + "}"; }

 private:
  JsonText& put(std::string_view key, std::string_view json);
  std::string members_;
};

}  // namespace wan::report
