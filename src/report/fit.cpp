#include "report/fit.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/escape.h"
#include "report/format.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;
/// "ti2v-5B by wanbench, dit bf16, weights auto, text encoder on cuda"
std::string way_text(const FitMap& map) {
  const Workload& work = map.example->example->workload;
  std::string out = (work.model.empty() ? "a model" : work.model) + " by " + map.example->group.engine;
  for (const auto& [component, dtype] : work.dtypes) out += fmt::format(", {} {}", component, dtype);
  if (!work.offload.empty()) out += ", offload " + work.offload;
  if (!work.text_encoder_device.empty()) out += ", text encoder on " + work.text_encoder_device;
  return out;
}

std::string card_text(const FitMap& map) {
  return map.capacity_bytes ? fmt::format("{}, {} GiB", map.device, gib(*map.capacity_bytes)) : map.device;
}

std::string size_text(FitSize size) { return fmt::format("{}*{}", size.width, size.height); }

std::string cell_text(const FitCell& cell) {
  std::string out(to_string(cell.fit));
  if (!cell.room || (cell.fit != Fit::kFits && cell.fit != Fit::kShouldFit)) return out;
  return out + fmt::format(", {}{} GiB ({:.0f} %) free", cell.fit == Fit::kShouldFit ? "at least " : "",
                           gib(cell.room->free_bytes), cell.room->free_percent);
}

/// The case behind a cell, with its size and place where those are not the cell's.
std::string basis_text(const FitMap& map, const FitCell& cell) {
  if (cell.basis == nullptr) return "";
  const RunGroup& group = cell.basis->group;
  if (cell.fit == Fit::kFits || cell.fit == Fit::kOutOfMemory) return group.case_name;
  const Workload& work = cell.basis->example->workload;
  return fmt::format("{} ({}×{}, {} frames) {} {}", group.case_name, *work.width, *work.height, *work.num_frames,
                     cell.fit == Fit::kShouldFit ? "ran" : "ran out",
                     group.device == map.device ? "here" : "on " + group.device);
}

}  // namespace

Json fit_maps_data(const std::vector<FitMap>& maps) {
  Json out = Json::array();
  for (const FitMap& map : maps) {
    Json rows = Json::array();
    for (size_t i = 0; i < map.sizes.size(); ++i) {
      Json cells = Json::array();
      for (const FitCell& cell : map.cells[i])
        cells.push_back({{"fit", to_string(cell.fit)}, {"text", cell_text(cell)}, {"basis", basis_text(map, cell)}});
      rows.push_back({{"width", map.sizes[i].width}, {"height", map.sizes[i].height}, {"cells", std::move(cells)}});
    }
    out.push_back(
        {{"card", card_text(map)}, {"way", way_text(map)}, {"frames", map.frames}, {"rows", std::move(rows)}});
  }
  return out;
}

std::string fit_markdown(const std::vector<FitMap>& maps) {
  if (maps.empty()) return "";
  std::string out =
      "\n## What Fits\n\nMeasured: \"fits\", \"out of memory\". Derived from a case that is as large or larger, or as "
      "small or smaller: \"should fit\", \"should not fit\".\n";
  for (const FitMap& map : maps) {
    std::vector<std::string> columns = {"Size"};
    for (const int64_t frames : map.frames) columns.push_back(fmt::format("{} frames", frames));
    Table table(columns);
    for (size_t i = 0; i < map.sizes.size(); ++i) {
      table.begin_row();
      table.text(size_text(map.sizes[i]));
      for (const FitCell& cell : map.cells[i]) {
        const std::string basis = basis_text(map, cell);
        table.text(cell_text(cell) + (basis.empty() ? "" : ": " + basis));
      }
    }
    out += fmt::format("\n### {}: {}\n\n{}", markdown_text(card_text(map)), markdown_text(way_text(map)),
                       table.markdown());
  }
  return out;
}

}  // namespace wan::report
