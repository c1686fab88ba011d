#include "report/mlperf.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/escape.h"
#include "report/format.h"
#include "report/html_case.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

constexpr double kSecondsAnHour = 3600;
constexpr const char* kNotSubmitted = "not submitted";
constexpr const char* kNotQueued = "what wanbench load measures of a server";

std::string head_of(const MlperfTable& table) {
  return fmt::format(
      "An unofficial comparison: published results of {}, {} division of MLPerf Inference, beside what ran here with "
      "the same model, size ({}x{}, {} frames), {} steps and guidance",
      table.benchmark, table.division, table.workload.width, table.workload.height, table.workload.num_frames,
      table.workload.steps);
}

/// What the numbers of a row are not.
std::vector<std::string> notes_of(const MlperfView& mlperf) {
  std::vector<std::string> notes = {
      "Rows marked \"here\" are unofficial: results not verified by MLCommons Association, not submitted to MLPerf, "
      "without LoadGen, its 248 prompts, its accuracy gate and its stored latent",
      "Published: one video is the 90th percentile of SingleStream, which loads no model; queued is the rate of "
      "Offline. Here: one video is the median of runs, loading left out. Card-seconds are cards times seconds, or "
      "cards over the rate: worked out here, and no metric of MLPerf",
      "Precision is what each says of its weights; the products and attention of published rows may be in fewer bits",
      "MLPerf is a trademark of MLCommons Association"};
  for (const MlperfCase& own : mlperf.cases)
    if (!own.has_output_file)
      notes.push_back(fmt::format("{} is cold: its seconds are from the prompt's encoding to the decoded frames",
                                  own.shown->title));
  return notes;
}

std::string cards_text(int64_t cards, const std::string& name) { return fmt::format("{}x {}", cards, name); }

/// The card of a case, once: its device is already "8x NVIDIA H200" where it has several.
std::string cards_text(const MlperfCase& own) {
  const std::string& device = own.shown->summary.group.device;
  return own.cards == 1 ? cards_text(1, device) : device;
}

std::string who_of(const MlperfCase& own) {
  return fmt::format("here: {}, {}", own.shown->title, own.shown->summary.group.engine);
}

Json published(const std::optional<double>& value) {
  return value ? Json{{"value", *value}} : Json{{"value", nullptr}, {"reason", kNotSubmitted}};
}

Json row_data(const MlperfCase& own) {
  return {{"who", who_of(own)},
          {"platform", ""},
          {"round", "unofficial"},
          {"cards", cards_text(own)},
          {"precision", own.precision},
          {"ours", true},
          {"seconds", quantity_data(own.seconds)},
          {"per_hour", {{"value", nullptr}, {"reason", kNotQueued}}},
          {"card_seconds", quantity_data(own.card_seconds)},
          {"queued_card_seconds", {{"value", nullptr}, {"reason", kNotQueued}}}};
}

std::optional<double> per_hour(const MlperfEntry& entry) {
  if (!entry.offline_per_s) return std::nullopt;
  return *entry.offline_per_s * kSecondsAnHour;
}

Json row_data(const MlperfEntry& entry) {
  return {{"who", entry.submitter},
          {"platform", entry.platform},
          {"round", entry.round},
          {"cards", cards_text(entry.cards, entry.card)},
          {"precision", entry.weights},
          {"ours", false},
          {"seconds", published(entry.single_stream_s)},
          {"per_hour", published(per_hour(entry))},
          {"card_seconds", published(single_stream_card_seconds(entry))},
          {"queued_card_seconds", published(offline_card_seconds(entry))}};
}

void add_number(Table& table, const std::optional<double>& value, int decimals) {
  value ? table.text(fmt::format("{:.{}f}", *value, decimals)) : table.none(kNotSubmitted);
}

void add_own(Table& table, const MlperfCase& own) {
  table.begin_row();
  table.text(who_of(own));
  table.text("unofficial");
  table.text(cards_text(own));
  table.text(own.precision);
  table.value(own.seconds, seconds);
  table.none(kNotQueued);
  table.value(own.card_seconds, [](double value) { return fmt::format("{:.0f}", value); });
  table.none(kNotQueued);
}

void add_entry(Table& table, const MlperfEntry& entry) {
  table.begin_row();
  table.text(fmt::format("{}, {}", entry.submitter, entry.platform));
  table.text(entry.round);
  table.text(cards_text(entry.cards, entry.card));
  table.text(entry.weights);
  add_number(table, entry.single_stream_s, 2);
  add_number(table, per_hour(entry), 1);
  add_number(table, single_stream_card_seconds(entry), 0);
  add_number(table, offline_card_seconds(entry), 0);
}

}  // namespace

Json mlperf_data(const MlperfView& mlperf) {
  if (mlperf.cases.empty()) return nullptr;
  Json rows = Json::array(), sources = Json::array();
  for (const MlperfCase& own : mlperf.cases) rows.push_back(row_data(own));
  for (const MlperfEntry& entry : mlperf.table.entries) rows.push_back(row_data(entry));
  for (const MlperfSource& source : mlperf.table.sources)
    sources.push_back({{"round", source.round}, {"text", source.text}});
  return {{"head", head_of(mlperf.table)},
          {"notes", notes_of(mlperf)},
          {"sources", std::move(sources)},
          {"rows", std::move(rows)}};
}

std::string mlperf_markdown(const MlperfView& mlperf) {
  if (mlperf.cases.empty()) return "";
  Table table({"Who", "Round", "Cards", "Precision as Stated", "One Video(s)", "Queued: Videos an Hour",
               "Card-Seconds, One Video", "Card-Seconds, Queued"});
  for (const MlperfCase& own : mlperf.cases) add_own(table, own);
  for (const MlperfEntry& entry : mlperf.table.entries) add_entry(table, entry);
  std::string out = fmt::format("\n## MLPerf Text-to-Video, Unofficial\n\n{}.\n\n{}\n",
                                markdown_text(head_of(mlperf.table)), table.markdown());
  for (const std::string& note : notes_of(mlperf)) out += fmt::format("- {}.\n", markdown_text(note));
  for (const MlperfSource& source : mlperf.table.sources)
    out += fmt::format("- Source of {}: {}.\n", markdown_text(source.round), markdown_text(source.text));
  return out;
}

}  // namespace wan::report
