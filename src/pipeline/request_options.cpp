#include "pipeline/request_options.h"

#include <fmt/format.h>

#include "base/error.h"
#include "pipeline/guidance.h"
#include "pipeline/request_text.h"

namespace wan {
namespace {

struct Check {
  template <class T, Number N>
  void operator()(const Option& option, const T& member, const Bounds<N>& bounds) const {
    if (!is_given(member)) return;
    N value{};
    if constexpr (Number<T>)
      value = member;
    else
      value = *member;
    require(bounds.hold(value), fmt::format("{} {}: expected {}", option.name(), value, describe(bounds)),
            ErrorKind::kUsage);
  }
  void operator()(const Option&, const auto&, const OneOf&) const {}
  void operator()(const Option&, const auto&, const Anything&) const {}
};

}  // namespace

void check_request(const Request& request) {
  request_options(Check{}, request);
  request.weights();  // the strengths of LoRAs
  require(!mixes_spellings(request), kMixedSpellings, ErrorKind::kUsage);
  require(!request.boundary || !request.split_step,
          "--boundary and --split-step both say where the low-noise expert begins: leave one out; a suite's defaults "
          "count for each of its cases",
          ErrorKind::kUsage);
}

}  // namespace wan
