// Changes JSON by its values, which bytes alone would mostly break: half of the time a value within the text becomes
// another, goes, or comes twice. Of inputs that hold more than one JSON text, lines of a pipe or a log behind a file,
// one of them.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using Json = nlohmann::ordered_json;
using Random = std::minstd_rand;

size_t below(Random& random, size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random); }

/// Every value within, itself first.
void collect(Json& json, std::vector<Json*>& out) {
  constexpr size_t kMost = 20'000;
  if (out.size() >= kMost) return;
  out.push_back(&json);
  if (json.is_structured())
    for (Json& each : json) collect(each, out);
}

Json other_number(Random& random) {
  static const std::array<Json, 22> kEdges = {
      0,          1,         -1,           2,         7,   1000, 1'000'000'000, INT32_MAX, INT64_MAX, INT64_MIN,
      UINT64_MAX, 1LL << 61, -(1LL << 61), 1LL << 53, 0.5, -0.0, 1e-300,        5e-324,    1e30,      1e308,
      -1e308,     99'999};
  return kEdges[below(random, kEdges.size())];
}

Json other_text(Random& random) {
  static const std::array<std::string, 10> kTexts = {"",
                                                     "../../etc/passwd",
                                                     "</script><img src=x>",
                                                     "=1+1",
                                                     "a|b`c`*d*",
                                                     "\x1b[2J\u202e",
                                                     "Total_Execution",
                                                     "Step_99999_Inference",
                                                     std::string(300, 'x'),
                                                     "h2d"};
  return kTexts[below(random, kTexts.size())];
}

void change_number(Json& value, Random& random) {
  const double now = value.get<double>();
  switch (below(random, 4)) {
    case 0: value = other_number(random); break;
    case 1: value = now * 2; break;
    case 2: value = static_cast<int64_t>(std::clamp(now, -1e15, 1e15)) + 1; break;
    default: value = static_cast<int64_t>(std::clamp(now, -1e15, 1e15)) - 1; break;
  }
}

void change_members(Json& value, Random& random) {
  if (value.empty()) {
    value = nullptr;
    return;
  }
  const auto at = std::next(value.begin(), static_cast<ptrdiff_t>(below(random, value.size())));
  switch (below(random, 3)) {
    case 0: value.erase(at); break;
    case 1:
      if (value.is_array()) value.push_back(Json(*at));
      break;
    default: {
      const auto other = std::next(value.begin(), static_cast<ptrdiff_t>(below(random, value.size())));
      std::swap(*at, *other);
      break;
    }
  }
}

std::string changed(Json json, Random& random) {
  std::vector<Json*> values;
  collect(json, values);
  const size_t changes = 1 + below(random, 3);
  for (size_t i = 0; i < changes; ++i) {
    Json& value = *values[below(random, values.size())];
    const Json other = *values[below(random, values.size())];
    if (below(random, 6) == 0)
      value = other;
    else if (below(random, 12) == 0)
      value = nullptr;
    else if (value.is_number())
      change_number(value, random);
    else if (value.is_string())
      value = other_text(random);
    else if (value.is_boolean())
      value = !value.get<bool>();
    else if (value.is_structured())
      change_members(value, random);
    values.clear();
    collect(json, values);
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// The whole, or of several texts between NULs and line feeds one; empty where neither is JSON.
std::string_view json_part(std::string_view all, Random& random) {
  const auto holds = [](std::string_view text) {
    return !text.empty() && (text.front() == '{' || text.front() == '[') && Json::accept(text);
  };
  if (holds(all)) return all;
  if (const std::string_view head = all.substr(0, all.find('\0')); head.size() < all.size() && holds(head)) return head;
  for (int attempt = 0; attempt < 4; ++attempt) {
    const size_t at = below(random, all.size());
    const size_t feed = all.rfind('\n', at == 0 ? 0 : at - 1);
    const size_t begin = feed == std::string_view::npos ? all.find('{') : feed + 1;
    if (begin == std::string_view::npos) return {};
    const std::string_view line = all.substr(begin, all.find('\n', begin) - begin);
    if (holds(line)) return line;
  }
  return {};
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned int seed) {
  Random random(seed);
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::string_view part = size == 0 || below(random, 2) == 0 ? std::string_view{} : json_part(all, random);
  if (part.empty()) return LLVMFuzzerMutate(data, size, max_size);
  const auto before = static_cast<size_t>(part.data() - all.data());
  const std::string text = std::string(all.substr(0, before)) + changed(Json::parse(part), random) +
                           std::string(all.substr(before + part.size()));
  if (text.size() > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data, text.data(), text.size());
  return text.size();
}
