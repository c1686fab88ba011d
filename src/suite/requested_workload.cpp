#include "suite/requested_workload.h"

#include <cassert>
#include <concepts>
#include <optional>

#include "base/file.h"
#include "base/hash.h"
#include "pipeline/guidance.h"
#include "pipeline/input_file.h"
#include "pipeline/request_options.h"
#include "pipeline/request_text.h"
#include "results/fields.h"

namespace wan::suite {
namespace {

/// Visits the workload's fields and fills the one called `key` from `member`.
template <class T>
struct FillField {
  std::string key;
  const T& member;
  bool found = false;

  template <class F>
  void operator()(const char* name, F& field) {
    if (name != key) return;
    if constexpr (std::same_as<F, std::string> && std::same_as<T, std::filesystem::path>) {
      field = file_digest(member);
      found = true;
    } else if constexpr (std::same_as<F, std::string>) {
      field = text_of(member);
      found = true;
    } else if constexpr (std::constructible_from<F, const T&> && requires { field.has_value(); }) {
      field = is_given(member) ? F(member) : std::nullopt;
      found = true;
    }
  }
  void added(const char* name, auto& field) { (*this)(name, field); }
};

}  // namespace

std::string file_digest(const std::filesystem::path& path) { return path.empty() ? "" : sha256_of_file(path); }

Workload requested_workload(const Request& request) {
  const Request named = with_recipe_named(in_both_spellings(request));
  Workload work;
  request_options(
      [&]<class T>(const Option& option, const T& member, const auto&) {
        if (option.in_conditioning()) {
          if constexpr (std::same_as<T, std::filesystem::path>) {
            if (const auto file = input_file(member)) work.conditioning[std::string(option.key)] = file->sha256;
          } else {
            if (member != T()) work.conditioning[std::string(option.key)] = text_of(member);
          }
        }
        if (!option.in_workload()) return;
        const bool is_file = std::same_as<T, std::filesystem::path>;
        FillField<T> fill{std::string(option.key) + (is_file ? "_sha256" : ""), member};
        fields(fill, work);
        assert(fill.found && "no field of a workload has this key");
      },
      named);
  work.scope = RunScope::kCold;
  work.page_cache = PageCache::kUnknown;
  return work;
}

}  // namespace wan::suite
