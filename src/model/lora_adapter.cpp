#include "model/lora_adapter.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/json_number.h"
#include "io/printable.h"

namespace wan {
namespace {

using nlohmann::json;

constexpr Bounds<int64_t> kRanks{1, 1'000'000};

/// Members of one object by their names behind a prefix; null is as good as absent.
class Members {
 public:
  Members(const json& object, std::string_view prefix, const std::string& where)
      : object_(object), prefix_(prefix), where_(where) {}

  const json* find(std::string_view key) const {
    const auto at = object_.find(fmt::format("{}{}", prefix_, key));
    return at == object_.end() || at->is_null() ? nullptr : &*at;
  }
  [[noreturn]] void fail(std::string_view key, std::string_view what) const {
    throw Error(ErrorKind::kInput, fmt::format("{}: '{}{}' {}", where_, prefix_, key, what));
  }
  bool flag(std::string_view key) const {
    const json* found = find(key);
    if (found == nullptr) return false;
    if (!found->is_boolean()) fail(key, "must be true or false");
    return found->get<bool>();
  }
  template <Number T>
  std::optional<T> number(std::string_view key, const Bounds<T>& bounds = {}) const {
    const json* found = find(key);
    if (found == nullptr) return std::nullopt;
    const auto value = json_number<T>(*found, bounds);
    if (!value) fail(key, "must be " + describe(bounds));
    return value;
  }
  std::map<std::string, double> patterns(std::string_view key, const Bounds<double>& bounds) const {
    std::map<std::string, double> result;
    const json* found = find(key);
    if (found == nullptr) return result;
    if (!found->is_object()) fail(key, "must be an object of numbers by module");
    for (const auto& [pattern, number] : found->items()) {
      constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
      if (pattern.empty() || pattern.find_first_not_of(kPlain) != std::string::npos)
        fail(key, fmt::format("names modules by the expression '{}': only their names are read", printable(pattern)));
      const auto value = json_number<double>(number, bounds);
      if (!value) fail(key, fmt::format("gives '{}' no number that it can have", printable(pattern)));
      result.emplace(pattern, *value);
    }
    return result;
  }

 private:
  const json& object_;
  std::string_view prefix_;
  const std::string& where_;
};

void refuse_other_forms(const Members& members) {
  constexpr std::string_view kInstead = "which is not read: take a plain LoRA, or a model that it is merged into";
  if (const json* type = members.find("peft_type"); type != nullptr && *type != "LORA")
    members.fail(
        "peft_type",
        fmt::format("is {}, {}", type->is_string() ? printable(type->get<std::string>()) : "no text", kInstead));
  for (const auto& [key, what] : {std::pair{"use_dora", "DoRA"}, std::pair{"use_qalora", "QALoRA"},
                                  std::pair{"fan_in_fan_out", "transposed factors"}})
    if (members.flag(key)) members.fail(key, fmt::format("says {}, {}", what, kInstead));
}

}  // namespace

std::optional<LoraAdapter> LoraAdapter::read(const json& config, std::string_view prefix, const std::string& where) {
  require(config.is_object(), where + ": expected a JSON object");
  const Members members(config, prefix, where);
  refuse_other_forms(members);
  LoraAdapter adapter;
  adapter.where_ = where;
  adapter.rank_ = members.number<int64_t>("r", kRanks);
  adapter.root_ = members.flag("use_rslora");
  adapter.alphas_ = members.patterns("alpha_pattern", {});
  adapter.ranks_ =
      members.patterns("rank_pattern", {static_cast<double>(kRanks.least), static_cast<double>(kRanks.most)});
  const auto alpha = members.number<double>("lora_alpha");
  if (!alpha && !adapter.rank_ && adapter.alphas_.empty() && adapter.ranks_.empty()) return std::nullopt;
  if (!alpha) members.fail("lora_alpha", "is missing, without which a LoRA of peft has no scale");
  adapter.alpha_ = *alpha;
  return adapter;
}

std::optional<double> LoraAdapter::match(const Patterns& patterns, std::string_view module) const {
  std::optional<double> found;
  for (const auto& [pattern, value] : patterns) {
    if (!module.ends_with(pattern)) continue;
    const size_t before = module.size() - pattern.size();
    if (before > 0 && module[before - 1] != '.') continue;
    require(!found || *found == value, fmt::format("{}: its patterns give {} two numbers, {} and {}: leave one", where_,
                                                   printable(module), found.value_or(0), value));
    found = value;
  }
  return found;
}

double LoraAdapter::scale(std::string_view module, int64_t rank) const {
  const auto own_rank = match(ranks_, module);
  const auto said = own_rank ? own_rank : rank_ ? std::optional(static_cast<double>(*rank_)) : std::nullopt;
  require(!said || *said == static_cast<double>(rank),
          fmt::format("{}: says rank {} of {}, whose factors have rank {}: it was written for another file; take the "
                      "right one, or take it away where the file has no need of it",
                      where_, said.value_or(0), printable(module), rank));
  const double alpha = match(alphas_, module).value_or(alpha_), r = static_cast<double>(rank);
  return alpha / (root_ ? std::sqrt(r) : r);
}

}  // namespace wan
