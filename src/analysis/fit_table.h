// What fits in which memory: models, sizes and stored forms against cards' sizes, as `wanbench plan --table` predicts
// it and as records measured it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/case_view.h"

namespace wan {

/// Memory of cards and limits, in GiB: the columns.
inline constexpr std::array<int, 8> kFitGib{8, 12, 16, 24, 32, 48, 80, 141};

/// Of a column, in bytes.
inline uint64_t fit_room(size_t column) { return static_cast<uint64_t>(kFitGib[column]) << 30; }

/// What a video takes of the card at most, and where its weights are.
struct FitPeak {
  std::string residency;  // of the DiT's weights, as records name it
  uint64_t bytes = 0;
  std::string recipe;  // how it was sampled
  std::string device;  // of a measured one

  bool is_resident() const { return residency == "resident"; }
  bool is_official() const { return recipe == "official"; }
};

/// Of those within `room_bytes` the fastest place for the weights: all on the card, else the one that takes most of
/// it; nothing where none is within.
std::optional<FitPeak> fastest_within(const std::vector<FitPeak>& peaks, uint64_t room_bytes);

/// One memory of one row.
struct FitCell {
  std::optional<FitPeak> predicted;  // by the official schedule
  std::optional<FitPeak> published;  // of published records
  std::optional<FitPeak> here;       // of the records at hand
  bool ran_out = false;              // of them one that chose the place of its weights itself, with no less memory
};

/// A model at a size, its weights in one stored form.
struct FitRow {
  std::string model;
  int64_t width = 0, height = 0, num_frames = 0;
  std::string stored;        // of enum_name(StoredAs), or a file's element types
  uint64_t host_bytes = 0;   // page-locked where the prediction streams; 0: nowhere
  bool is_predicted = true;  // else nobody asked the plan: a video of the records at hand alone
  bool is_asked = false;     // of a model and size of the records at hand
  std::vector<FitCell> cells = std::vector<FitCell>(kFitGib.size());
};

/// Reads suites/memory_table.json, a document of `wanbench plan --table --json`. Throws Error(kInput) naming the file
/// and the key.
std::vector<FitRow> load_fit_rows(const std::filesystem::path& file);

/// A case with a run that ran out of memory.
struct RanOut {
  const CaseView* shown = nullptr;
  const RunRecord* run = nullptr;
  std::optional<double> had_bytes;  // the limit that it kept to, else the card's memory
  bool is_limit = false;
};

struct FitView {
  std::vector<FitRow> rows;  // of the table and of the cases, by model, area and frames
  std::vector<RanOut> ran_out;
};

/// The table with what the cases say. Rows are our own engine's on a card; what ran out is any program's.
FitView fit_view(const std::deque<CaseView>& cases, const std::vector<FitRow>& table);

}  // namespace wan
