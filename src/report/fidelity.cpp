#include "report/fidelity.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "analysis/plain_words.h"
#include "base/base64.h"
#include "report/escape.h"
#include "report/html_case.h"
#include "results/store.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

std::string number(double value) { return fmt::format("{:.4g}", value); }

Json value_data(const Measured<double>& value) {
  if (value.has()) return {{"value", *value.value}};
  return {{"value", nullptr}, {"reason", fidelity_reason(value.reason)}};
}

Json steps_data(const std::vector<StepDistance>& steps) {
  Json out = Json::array();
  for (const StepDistance& step : steps)
    out.push_back(
        {{"step", step.step + 1}, {"relative_l2", value_data(step.relative_l2)}, {"cosine", value_data(step.cosine)}});
  return out;
}

Json scores_data(const FidelityComparison& comparison) {
  Json out = Json::array();
  for (const FidelityScore& score : comparison.scores)
    out.push_back({{"metric", metric_title(score.metric)},
                   {"unit", metric_unit(score.metric)},
                   {"mean", value_data(score.mean)},
                   {"worst", value_data(score.worst)},
                   {"worst_frame", score.worst_frame ? Json(*score.worst_frame) : Json(nullptr)}});
  return out;
}

std::string reason_of(const std::string& why) { return why.empty() ? "" : fidelity_reason(why); }

Json comparison_data(const FidelityComparison& comparison) {
  return {{"reference", reference_text(comparison)},
          {"test", comparison.test},
          {"reference_class", to_string(comparison.reference_class)},
          {"text", distance_text(comparison)},
          {"identical", comparison.identical},
          {"includes_codec", comparison.includes_codec},
          {"frames", comparison.frames ? Json(*comparison.frames) : Json(nullptr)},
          {"scores", scores_data(comparison)},
          {"why_no_scores", reason_of(comparison.why_no_scores)},
          {"latents", steps_data(comparison.latents)},
          {"why_no_latents", reason_of(comparison.why_no_latents)},
          {"replayed", steps_data(comparison.replayed)},
          {"why_not_replayed", reason_of(comparison.why_not_replayed)}};
}

/// Each metric with its mean and worst frame.
std::string scores_table(const FidelityComparison& comparison) {
  if (comparison.scores.empty())
    return fmt::format("No metrics of the frames: {}.\n", markdown_text(fidelity_reason(comparison.why_no_scores)));
  Table table({"Metric", "Mean", "Worst frame", "Which (from 0)"});
  for (const FidelityScore& score : comparison.scores) {
    table.begin_row();
    table.text(metric_title(score.metric));
    for (const Measured<double>& value : {score.mean, score.worst}) {
      if (value.has())
        table.text(metric_text(score.metric, *value.value));
      else
        table.none(fidelity_reason(value.reason));
    }
    table.text(score.worst_frame ? fmt::format("{}", *score.worst_frame) : "–");
  }
  return table.markdown();
}

void add_distance(Table& table, const std::vector<StepDistance>& steps, int64_t step, const std::string& why_none) {
  const auto found =
      std::find_if(steps.begin(), steps.end(), [&](const StepDistance& distance) { return distance.step == step; });
  const Measured<double> none = absent<double>(why_none);
  for (const Measured<double> StepDistance::*value : {&StepDistance::relative_l2, &StepDistance::cosine}) {
    const Measured<double>& shown = found == steps.end() ? none : *found.*value;
    if (!shown.has())
      table.none(fidelity_reason(shown.reason));
    else if (value == &StepDistance::relative_l2)
      table.text(fmt::format("{:.3g}", 100 * *shown.value));
    else
      table.text(fmt::format("{:.6f}", *shown.value));
  }
}

/// Step by step what a replayed velocity is off, and the latent that the whole run had come to.
std::string steps_table(const FidelityComparison& comparison) {
  std::set<int64_t> steps;
  for (const auto* list : {&comparison.replayed, &comparison.latents})
    for (const StepDistance& distance : *list) steps.insert(distance.step);
  if (steps.empty())
    return fmt::format("\nNo velocities replayed: {}. No latents: {}.\n",
                       markdown_text(fidelity_reason(comparison.why_not_replayed)),
                       markdown_text(fidelity_reason(comparison.why_no_latents)));
  Table table({"Step", "Replayed velocity off (%)", "its cosine", "Latent off (%)", "its cosine "});
  for (const int64_t step : steps) {
    table.begin_row();
    table.text(fmt::format("{}", step + 1));
    add_distance(table, comparison.replayed, step, comparison.why_not_replayed);
    add_distance(table, comparison.latents, step, comparison.why_no_latents);
  }
  return "\n" + table.markdown();
}

std::string floor_lines(const FidelityRecord& record) {
  std::string out;
  for (const FidelityComparison& floor : record.noise_floor)
    out += fmt::format("- **Noise floor**: {} against {}: {}\n", markdown_text(floor.test),
                       markdown_text(reference_text(floor)), markdown_text(distance_text(floor)));
  if (out.empty())
    out = fmt::format("- **Noise floor**: – ({})\n", markdown_text(fidelity_reason(record.why_no_noise_floor)));
  return out;
}

std::string measurement_markdown(const FidelityView& view) {
  const FidelityComparison& comparison = view.comparison();
  std::string out = fmt::format("\n- **Against**: {}, class {}\n", markdown_text(reference_text(comparison)),
                                to_string(comparison.reference_class));
  out += fmt::format("- **Distance**: {}{}\n", markdown_text(distance_text(comparison)),
                     comparison.includes_codec ? ", includes the codec" : "");
  if (const std::string refuted = view.refuted(); !refuted.empty())
    out += fmt::format("- **CLASS REFUTED**: {}\n", markdown_text(refuted));
  if (!view.other_frames.empty()) out += fmt::format("- **Other frames**: {}\n", markdown_text(view.other_frames));
  out += floor_lines(view.record()) + "\n";
  if (!comparison.identical) out += scores_table(comparison) + steps_table(comparison);
  if (const auto& still = view.record().still)
    out += fmt::format("\nFrame {} as PNG: reference {}, this case {}, what differs, 4 times as large, {}.\n",
                       still->frame, markdown_code(still->reference), markdown_code(still->test),
                       markdown_code(still->difference));
  return out;
}

/// A JPEG of a picture below the report's folder as a URL that holds it; empty: none that can be shown.
std::string picture_data(const HtmlOptions& options, const std::string& name) {
  if (!options.picture || options.folder.empty() || !file_inside(options.folder, name)) return "";
  const std::string jpeg = options.picture(options.folder / name);
  return jpeg.empty() ? "" : "data:image/jpeg;base64," + to_base64(jpeg);
}

constexpr size_t kMostPictureBytes = size_t{4} << 20;  // of all stills of a page, as base64

/// Null where a picture is missing, or `room` is used up, which is said instead.
Json still_data(const FidelityStill& still, const HtmlOptions& options, size_t& room) {
  Json out = {{"frame", still.frame}, {"reason", ""}};
  size_t size = 0;
  for (const auto& [key, name] : {std::pair{"reference", &still.reference}, std::pair{"test", &still.test},
                                  std::pair{"difference", &still.difference}}) {
    std::string picture = picture_data(options, *name);
    if (picture.empty()) return {{"frame", still.frame}, {"reason", "its pictures are not beside the report"}};
    size += picture.size();
    out[key] = std::move(picture);
  }
  if (size > room) return {{"frame", still.frame}, {"reason", "the page has room for no more pictures"}};
  room -= size;
  return out;
}

Json still_or_reason(const FidelityView& view, const HtmlOptions& options, size_t& room) {
  if (view.record().still) return still_data(*view.record().still, options, room);
  return {{"frame", nullptr}, {"reason", view.comparison().identical ? "nothing differs" : "no still was kept"}};
}

/// A pair of a video and its reference for each run that was made for it; its cold and warm case share one.
Json pairs_data(const ReportView& view, const HtmlOptions& options) {
  Json pairs = Json::array();
  std::map<const RunRecord*, size_t> places;
  size_t room = kMostPictureBytes;
  for (size_t i = 0; i < view.cases.size(); ++i)
    for (const FidelityView& measured : view.cases[i].fidelity) {
      const auto [found, is_new] = places.emplace(measured.run, pairs.size());
      if (is_new)
        pairs.push_back({{"cases", Json::array()},
                         {"test", measured.comparison().test},
                         {"reference", reference_text(measured.comparison())},
                         {"text", distance_text(measured.comparison())},
                         {"still", still_or_reason(measured, options, room)}});
      pairs[found->second]["cases"].push_back(i);
    }
  return pairs;
}

Json point_data(const FidelityPoint& point, const std::map<const CaseView*, size_t>& places) {
  Json values = Json::array();
  for (const auto& value : point.values) values.push_back(value ? Json(*value) : Json(nullptr));
  return {{"case", places.at(point.shown)},
          {"seconds", point.seconds},
          {"is_reference", point.view == nullptr},
          {"identical", point.is_identical},
          {"refuted", point.view != nullptr && !point.view->refuted().empty()},
          {"floor", point.view == nullptr ? "" : noise_floor_text(point.view->record())},
          {"values", std::move(values)},
          {"on_frontier", point.on_frontier}};
}

std::string value_cell(const FidelityPoint& point, size_t measure) {
  if (point.view == nullptr) return "the reference";
  if (point.is_identical) return "identical";
  const std::optional<double>& value = point.values[measure];
  return (value ? number(*value) : "–") + (point.on_frontier[measure] ? " \u2726" : "");
}

std::string head_of(const FidelityMeasure& measure) {
  const std::string unit = measure.unit;
  return measure.title + (unit.empty() ? "" : " (" + unit + ")");
}

}  // namespace

bool has_fidelity_cells(const ReportView& view) {
  return std::any_of(view.cases.begin(), view.cases.end(),
                     [](const CaseView& c) { return c.fidelity_cell.has_value(); });
}

void add_fidelity_cells(Table& table, const CaseView& shown) {
  const FidelityCell cell = shown.fidelity_cell.value_or(FidelityCell{});
  if (cell.text.empty()) {
    table.none(cell.why_none);
    table.text("–");
  } else {
    table.text(cell.text);
    table.text(cell.floor);
  }
}

std::string class_cell(const CaseView& shown) {
  std::string text(to_string(shown.example().workload.precision_class));
  return shown.refuted.empty() ? text : text + " (REFUTED)";
}

std::string fidelity_markdown(const CaseView& shown) {
  if (shown.summary.group.judged.empty()) return "";
  std::string out = "\n##### Fidelity\n";
  for (const RunRecord* run : shown.summary.group.judged) {
    if (run->status == RunStatus::kOk || run->status == RunStatus::kQualityFail) continue;
    const std::string message = run->error ? ": " + run->error->message : "";
    out += fmt::format("\n- **Not measured** against {}: the run {}{}\n",
                       markdown_text(run->fidelity->comparison.reference), plain_status(run->status),
                       markdown_text(message));
  }
  for (const FidelityView& view : shown.fidelity) out += measurement_markdown(view);
  return out;
}

std::string fidelity_charts_markdown(const ReportView& view) {
  std::string out;
  for (const FidelityChart& chart : view.fidelity) {
    std::vector<std::string> heads = {"Case", "Seconds a video"};
    for (const FidelityMeasure& measure : fidelity_measures()) heads.push_back(head_of(measure));
    heads.emplace_back("Noise floor");
    Table table(heads);
    for (const FidelityPoint& point : chart.points) {
      table.begin_row();
      table.text(point.shown->title + (point.shown->refuted.empty() ? "" : " (CLASS REFUTED)"));
      table.text(seconds(point.seconds));
      for (size_t m = 0; m < fidelity_measures().size(); ++m) table.text(value_cell(point, m));
      table.text(point.view == nullptr ? "–" : noise_floor_text(point.view->record()));
    }
    out += fmt::format("\n### {}\n\n{}", markdown_text(chart.name), table.markdown());
  }
  if (out.empty()) return out;
  return "\n## Seconds against Fidelity\n\nMore is better of PSNR and SSIM, less of FLIP and of the velocity. \u2726: "
         "no "
         "other is as fast and as near to the reference.\n" +
         out;
}

Json fidelity_cell_data(const CaseView& shown) {
  if (!shown.fidelity_cell) return nullptr;
  return {{"text", shown.fidelity_cell->text},
          {"floor", shown.fidelity_cell->floor},
          {"why_none", shown.fidelity_cell->why_none}};
}

Json fidelity_data(const CaseView& shown, const HtmlOptions& options) {
  Json out = Json::array();
  for (const FidelityView& view : shown.fidelity) {
    Json one = comparison_data(view.comparison());
    one["refuted"] = view.refuted();
    one["other_frames"] = view.other_frames;
    const auto& bound = view.record().velocity_bound;
    one["velocity_bound"] = bound ? Json(*bound) : Json(nullptr);
    one["why_no_noise_floor"] = reason_of(view.record().why_no_noise_floor);
    one["noise_floor"] = Json::array();
    for (const FidelityComparison& floor : view.record().noise_floor)
      one["noise_floor"].push_back(comparison_data(floor));
    const auto file = options.files.find(view.run->id);
    one["run"] = {{"id", view.run->id},
                  {"created_utc", view.run->created_utc},
                  {"file", file == options.files.end() ? Json(nullptr) : path_data(file->second)}};
    out.push_back(std::move(one));
  }
  return out;
}

Json fidelity_page_data(const ReportView& view, const HtmlOptions& options) {
  Json measures = Json::array(), charts = Json::array();
  for (const FidelityMeasure& measure : fidelity_measures())
    measures.push_back({{"key", measure.key},
                        {"title", measure.title},
                        {"unit", measure.unit},
                        {"more_is_better", measure.more_is_better}});
  std::map<const CaseView*, size_t> places;
  for (const CaseView& shown : view.cases) places.emplace(&shown, places.size());
  for (const FidelityChart& chart : view.fidelity) {
    Json points = Json::array();
    for (const FidelityPoint& point : chart.points) points.push_back(point_data(point, places));
    charts.push_back({{"name", chart.name}, {"reference", chart.reference}, {"points", std::move(points)}});
  }
  return {{"measures", std::move(measures)}, {"charts", std::move(charts)}, {"pairs", pairs_data(view, options)}};
}

}  // namespace wan::report
