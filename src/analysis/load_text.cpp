#include "analysis/load_text.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace wan {
namespace {

constexpr double kSecondsAnHour = 3600;
constexpr double kKilo = 1000;

std::string quantiles_text(const char* what, const LoadSpread& spread) {
  std::vector<std::string> parts;
  for (const LoadQuantile& one : spread.quantiles)
    parts.push_back(fmt::format("p{:.0f} {}", 100 * one.p, with_interval(one.value, one.interval, 2)));
  return fmt::format("{}: {} s", what, fmt::join(parts, ", "));
}

std::string mean_text(const LoadMean& mean, double unit, int decimals) {
  LooseInterval interval;
  if (mean.interval) interval = {mean.interval->low / unit, mean.interval->high / unit};
  return with_interval(mean.value / unit, interval, decimals);
}

std::string goodput_text(const LoadGoodput& goodput, const LoadTest& test) {
  std::string text = fmt::format(
      "within {}: {} of {}, {:.1f} % [{:.1f}, {:.1f}]",
      test.objective_s ? fmt::format("{:g} s", *test.objective_s)
                       : fmt::format("{:g} times what the server expected of each", *test.objective_multiple),
      goodput.within, goodput.judged, 100.0 * static_cast<double>(goodput.within) / static_cast<double>(goodput.judged),
      100 * goodput.share.low, 100 * goodput.share.high);
  if (goodput.per_s) text += fmt::format(", {:.1f} videos an hour", *goodput.per_s * kSecondsAnHour);
  return text;
}

std::string energy_text(const LoadSummary& level) {
  std::vector<std::string> parts;
  if (level.video_energy_j)
    parts.push_back(fmt::format("{} kJ while it is made", mean_text(*level.video_energy_j, kKilo, 3)));
  if (level.all_energy_j) parts.push_back(fmt::format("{:.3f} kJ with waiting for work", *level.all_energy_j / kKilo));
  return parts.empty() ? "" : fmt::format("energy a video: {}", fmt::join(parts, ", "));
}

}  // namespace

std::string with_interval(double value, const LooseInterval& interval, int decimals) {
  const auto end = [&](const std::optional<double>& one) {
    return one ? fmt::format("{:.{}f}", *one, decimals) : std::string("-");
  };
  if (!interval.low && !interval.high) return fmt::format("{:.{}f}", value, decimals);
  return fmt::format("{:.{}f} [{}, {}]", value, decimals, end(interval.low), end(interval.high));
}

std::string load_head(const LoadTest& test) {
  std::string text = fmt::format("load of {} by the adapter {} ({})", test.url, test.adapter, test.adapter_tried);
  std::vector<std::string> facts;
  if (!test.model.empty()) facts.push_back(test.model);
  if (!test.server.empty()) facts.push_back(test.server);
  for (const auto& [key, value] : test.settings) facts.push_back(fmt::format("{} {}", key, value));
  return facts.empty() ? text : fmt::format("{}: {}", text, fmt::join(facts, ", "));
}

std::string start_words(StartKnown known, double poll_s) {
  switch (known) {
    case StartKnown::kNot: return "queue and service are not known apart";
    case StartKnown::kEvents: return "queue and service apart by the server's events";
    case StartKnown::kServer: return "queue and service apart by the time that the server says it took";
    case StartKnown::kPolls:
      return fmt::format("queue and service apart by asking every {:g} s, which is as sharp as they are", poll_s);
  }
  return "";
}

std::vector<std::string> load_sentences(const LoadSummary& level, const LoadTest& test) {
  std::vector<std::string> out;
  if (level.latency) out.push_back(quantiles_text("latency", *level.latency));
  if (level.queue) out.push_back(quantiles_text("queue", *level.queue));
  if (level.service) out.push_back(quantiles_text("service", *level.service));
  if (level.per_s) {
    LooseInterval hours;
    if (level.per_s_interval.low) hours.low = *level.per_s_interval.low * kSecondsAnHour;
    if (level.per_s_interval.high) hours.high = *level.per_s_interval.high * kSecondsAnHour;
    out.push_back(fmt::format("videos an hour: {}", with_interval(*level.per_s * kSecondsAnHour, hours, 1)));
  }
  if (level.goodput) out.push_back(goodput_text(*level.goodput, test));
  if (const std::string energy = energy_text(level); !energy.empty()) out.push_back(energy);
  if (level.price) out.push_back(fmt::format("price a video: {} {}", mean_text(*level.price, 1, 4), test.currency));
  for (const auto& [known, count] : level.start_known)
    out.push_back(fmt::format("{} of {}: {}", count, level.completed, start_words(known, test.poll_s)));
  for (const auto& [what, count] : level.failures) out.push_back(fmt::format("{} not completed: {}", count, what));
  if (level.level->mode != LoadMode::kClosed && level.latest_s > 0.1)
    out.push_back(fmt::format("sent up to {:.2f} s behind the time; latency counts from the time", level.latest_s));
  return out;
}

std::vector<std::string> load_notes(const LoadTest& test, const std::vector<LoadSummary>& levels) {
  std::vector<std::string> out;
  if (!test.prompts_sha256.empty())
    out.push_back(fmt::format(
        "{} of SHA-256 {}, {} {}", test.prompts == 1 ? "one prompt" : fmt::format("{} prompts", test.prompts),
        test.prompts_sha256,
        test.has_one_seed ? "every video with the seed" : "each video with a seed of its own, from", test.seed));
  if (const LoadSummary* most = saturation(levels); most != nullptr && levels.size() > 1)
    out.push_back(fmt::format("the most: {:.1f} videos an hour, at {}", *most->per_s * kSecondsAnHour, most->name()));
  if (const std::optional<double> watts = idle_watts(test))
    out.push_back(fmt::format("without work the cards take {:.0f} W", *watts));
  else if (!test.why_no_power.empty())
    out.push_back(fmt::format("no power: {}", test.why_no_power));
  const auto has = [&](auto LoadSummary::*quantity) {
    return std::ranges::any_of(levels, [&](const LoadSummary& level) { return (level.*quantity).has_value(); });
  };
  if (!has(&LoadSummary::video_energy_j) && !test.why_no_energy.empty())
    out.push_back(fmt::format("no energy of a video: {}", test.why_no_energy));
  if (!has(&LoadSummary::price) && !test.why_no_price.empty())
    out.push_back(fmt::format("no price: {}", test.why_no_price));
  if (!has(&LoadSummary::goodput) && !levels.empty())
    out.push_back(fmt::format("no goodput: {}", levels.front().why_no_goodput));
  return out;
}

}  // namespace wan
