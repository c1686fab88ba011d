#include "load/arrivals.h"

#include <cmath>
#include <random>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "base/file.h"
#include "results/load.h"

namespace wan::load {
namespace {

constexpr uint64_t kMostTraceBytes = uint64_t{16} << 20;
constexpr Bounds<double> kTraceTimes{0, 1e9};

/// Uniform within (0, 1], the same on every machine.
double uniform(std::mt19937_64& generator) { return static_cast<double>((generator() >> 11) + 1) * 0x1p-53; }

void require_not_too_many(size_t count) {
  require(count <= kMostLoadRequests,
          fmt::format("more than {} requests are asked for at one level: fewer --requests, a shorter --duration or a "
                      "lower rate",
                      kMostLoadRequests),
          ErrorKind::kUsage);
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

std::vector<double> poisson_arrivals(double rate, uint64_t seed, int64_t warm_up, const LoadLength& length) {
  std::mt19937_64 generator(seed);
  std::vector<double> times;
  double at = 0, begin = 0;
  for (int64_t i = 0;; ++i) {
    at += -std::log(uniform(generator)) / rate;
    if (i < warm_up) begin = at;
    const bool is_enough = length.requests && i >= warm_up + *length.requests;
    if (is_enough || (i >= warm_up && length.duration_s && at - begin > *length.duration_s)) return times;
    times.push_back(at);
    require_not_too_many(times.size());
  }
}

std::vector<double> trace_arrivals(const std::filesystem::path& file) {
  const std::string text = read_text(file, kMostTraceBytes);
  std::vector<double> times;
  std::string_view rest = text;
  for (int64_t line_number = 1; !rest.empty(); ++line_number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::string where = fmt::format("{}:{}", file.string(), line_number);
    const std::optional<double> at = checked_number(line, kTraceTimes);
    require(at.has_value(), fmt::format("{}: '{}' is no time in seconds: {}", where, line, describe(kTraceTimes)));
    require(times.empty() || *at >= times.back(), fmt::format("{}: {} comes after {}: the times must be in order",
                                                              where, *at, times.empty() ? 0 : times.back()));
    times.push_back(*at);
    require_not_too_many(times.size());
  }
  require(!times.empty(), file.string() + " has no times: one in seconds a line is needed");
  const double first = times.front();
  for (double& at : times) at -= first;
  return times;
}

}  // namespace wan::load
