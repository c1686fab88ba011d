#include "report/fit.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/escape.h"
#include "report/format.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

constexpr const char* kHere = "●";
constexpr const char* kPublished = "○";
constexpr const char* kDash = "–";
constexpr const char* kHowToRead =
    "GiB of the card at the peak, by the memory that there is for the process, and where the weights are: \"card\" all "
    "on it, \"packed\" on it as their file has them, \"streamed\" from the host's memory, at the card's speed where "
    "copies keep up; \"no\": nowhere. Without a mark predicted for the official schedule; ● measured by the records "
    "here, ○ by published ones, with the recipe where it is another: few steps without guidance take less. "
    "Memory is what is free for the process: a desktop keeps some of a card. ";

/// One line of a cell.
struct Line {
  std::string place;  // card, packed, streamed, mapped, no, ran out; empty: not known
  std::optional<double> bytes;
  std::string mark;
  std::string note;  // another recipe than the official one; of what is not known, why
};

std::string place_word(const std::string& residency) {
  if (residency == "resident") return "card";
  return residency == "stream" || residency == "packed-stream" ? "streamed" : residency;
}

Line line_of(const FitPeak& peak, const char* mark) {
  return {place_word(peak.residency), static_cast<double>(peak.bytes), mark, peak.is_official() ? "" : peak.recipe};
}

/// What was measured stands for a prediction of the same thing.
bool confirms(const std::optional<FitPeak>& measured, const FitPeak& predicted) {
  return measured && measured->is_official() && place_word(measured->residency) == place_word(predicted.residency);
}

Line first_line(const FitRow& row, const FitCell& cell) {
  if (cell.predicted) {
    if (confirms(cell.here, *cell.predicted)) return line_of(*cell.here, kHere);
    if (confirms(cell.published, *cell.predicted)) return line_of(*cell.published, kPublished);
    return line_of(*cell.predicted, "");
  }
  if (row.is_predicted) return {"no", {}, "", ""};
  if (cell.here) return line_of(*cell.here, kHere);
  if (cell.ran_out) return {"ran out", {}, kHere, ""};
  return {"", {}, "", "not measured within so little; `wanbench plan` says what it would take"};
}

/// The first answers; others say what was measured of the same place, or within memory where nothing should fit.
std::vector<Line> lines_of(const FitRow& row, const FitCell& cell) {
  std::vector<Line> lines{first_line(row, cell)};
  const auto add = [&](Line line) {
    const bool is_told = std::any_of(lines.begin(), lines.end(), [&](const Line& told) {
      return !told.mark.empty() && told.place == line.place && told.note == line.note;
    });
    if (!is_told) lines.push_back(std::move(line));
  };
  for (const auto& [peak, mark] : {std::pair(cell.here, kHere), std::pair(cell.published, kPublished)})
    if (peak && (lines[0].place == "no" || lines[0].place == place_word(peak->residency))) add(line_of(*peak, mark));
  if (cell.ran_out) add({"ran out", {}, kHere, ""});
  return lines;
}

std::string gib_text(double bytes) {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  return fmt::format("{:.1f}", bytes / kGiB);
}

std::string line_text(const Line& line) {
  if (line.place.empty()) return kDash;
  std::string out = line.bytes ? gib_text(*line.bytes) + " " + line.place : line.place;
  if (!line.mark.empty()) out += " " + line.mark;
  return line.note.empty() ? out : out + " " + line.note;
}

std::string name_of(const FitRow& row) {
  return fmt::format("{} {}×{}, {} frames, {}", row.model, row.width, row.height, row.num_frames, row.stored);
}

std::string bytes_text(const Measured<uint64_t>& bytes) {
  return bytes.has() ? gib(static_cast<double>(*bytes.value)) + " GiB" : "";
}

/// "02_Large, ti2v-5B 3840×2176, 121 frames, by wanbench on NVIDIA H100 80GB HBM3 of 79.18 GiB: ran out in
/// VAE_Decoding, wanted 87.89 GiB, 10.74 GiB free. --frames 61 would fit"
std::string ran_out_text(const RanOut& out) {
  const Workload& work = out.run->workload;
  std::string text = out.shown->title;
  if (!work.model.empty()) text += ", " + work.model;
  if (work.width && work.height) text += fmt::format(" {}×{}", *work.width, *work.height);
  if (work.num_frames) text += fmt::format(", {} frames", *work.num_frames);
  text += fmt::format(", by {} on {}", out.shown->summary.group.engine, out.shown->summary.group.device);
  if (out.had_bytes) text += fmt::format("{} {} GiB", out.is_limit ? " within a limit of" : " of", gib(*out.had_bytes));
  text += ": ran out";
  if (!out.run->error) return text;
  const ErrorFacts& error = *out.run->error;
  if (!error.stage.empty()) text += " in " + error.stage;
  if (error.requested_bytes.has()) text += ", wanted " + bytes_text(error.requested_bytes);
  if (error.free_bytes.has()) text += ", " + bytes_text(error.free_bytes) + " free";
  return error.advice.empty() ? text : text + ". " + error.advice;
}

Json cell_data(const FitRow& row, const FitCell& cell) {
  Json lines = Json::array();
  for (const Line& line : lines_of(row, cell)) {
    Json one = {{"place", line.place}};
    if (line.bytes) one["gib"] = gib_text(*line.bytes);
    if (!line.mark.empty()) one["mark"] = line.mark;
    if (!line.note.empty()) one["note"] = line.note;
    lines.push_back(std::move(one));
  }
  return lines;
}

bool is_asked(const FitRow& row) { return row.is_asked; }

}  // namespace

Json fit_data(const FitView& fit) {
  Json rows = Json::array(), ran_out = Json::array();
  for (const FitRow& row : fit.rows) {
    Json cells = Json::array();
    for (const FitCell& cell : row.cells) cells.push_back(cell_data(row, cell));
    rows.push_back({{"name", name_of(row)},
                    {"asked", row.is_asked},
                    {"host_bytes", row.host_bytes > 0 ? Json(row.host_bytes) : Json(nullptr)},
                    {"cells", std::move(cells)}});
  }
  for (const RanOut& one : fit.ran_out) ran_out.push_back(ran_out_text(one));
  return {{"gib", kFitGib}, {"rows", std::move(rows)}, {"ran_out", std::move(ran_out)}, {"how_to_read", kHowToRead}};
}

std::string fit_markdown(const FitView& fit) {
  const bool any = std::any_of(fit.rows.begin(), fit.rows.end(), is_asked);
  if (!any && fit.ran_out.empty()) return "";
  std::string out = "\n## Will It Fit\n";
  if (any) {
    std::vector<std::string> columns = {"Memory, GiB"};
    for (const int memory : kFitGib) columns.push_back(fmt::format("{}", memory));
    Table table(columns);
    for (const FitRow& row : fit.rows) {
      if (!row.is_asked) continue;
      table.begin_row();
      table.text(name_of(row));
      for (const FitCell& cell : row.cells) {
        std::string text;
        for (const Line& line : lines_of(row, cell)) text += (text.empty() ? "" : "; ") + line_text(line);
        table.text(text);
      }
    }
    out += fmt::format(
        "\n{}A dash: not measured within so little, `wanbench plan` says what it would take. All "
        "models: `wanbench plan --table`.\n\n{}",
        kHowToRead, table.markdown());
  }
  if (!fit.ran_out.empty()) out += "\nRan out of memory:\n\n";
  for (const RanOut& one : fit.ran_out) out += "- " + markdown_text(ran_out_text(one)) + "\n";
  return out;
}

}  // namespace wan::report
