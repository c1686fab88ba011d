#include "cli/plan_table.h"

#include <algorithm>
#include <array>

#include "cli/data_files.h"
#include "pipeline/memory_needs.h"
#include "pipeline/request_words.h"
#include "pipeline/residency.h"

namespace wan::cli {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

/// What people have the weights as.
constexpr std::array kStored{StoredAs::kBF16, StoredAs::kFp8Scaled, StoredAs::kQ8_0, StoredAs::kQ5KM, StoredAs::kQ4KM};

/// Sizes that people ask each model for, in pixels: the published ones of 480 lines, and each model's own.
constexpr VideoSize kSmall{832, 480, 0};

/// The videos of the table: of each model its own size, and the small one where that is not what it was made for.
std::vector<Request> table_requests() {
  std::vector<Request> out;
  for (const Variant& variant : variants()) {
    Request request;
    request.random_weights = true;
    request.model = variant.name;
    request.device = "cuda:0";
    const bool has_small = kSmall.width % variant.side_step() == 0 && kSmall.height % variant.side_step() == 0;
    if (has_small && variant.defaults.size.height != kSmall.height) {
      request.width = kSmall.width;
      request.height = kSmall.height;
      out.push_back(request);
    }
    request.width = variant.defaults.size.width;
    request.height = variant.defaults.size.height;
    out.push_back(request);
  }
  return out;
}

/// The records' fastest place of the weights within `bytes`; there may be none.
std::optional<PublishedPeak> measured_within(const std::vector<PublishedCard>& cards, const Plan& plan,
                                             std::string_view stored, uint64_t bytes) {
  std::optional<PublishedPeak> best;
  const std::string_view resident = enum_name(Residency::kResident);
  for (const PublishedCard& card : cards)
    for (const PublishedVideo& video : card.videos) {
      const bool is_this = video.model == plan.variant->name && video.width == plan.width &&
                           video.height == plan.height && video.num_frames == plan.num_frames;
      if (!is_this) continue;
      for (const PublishedPeak& peak : video.peaks) {
        if (peak.highest_bytes > bytes || peak.stored_as != stored) continue;
        const bool is_faster = best && best->residency != resident && peak.residency == resident;
        const bool is_larger = best && best->residency == peak.residency && peak.highest_bytes > best->highest_bytes;
        if (!best || is_faster || is_larger) best = peak;
      }
    }
  return best;
}

TableRow row_of(const Request& request, const std::vector<PublishedCard>& cards) {
  const ModelSet models = open_models(request);
  const Plan plan = make_plan(request, models, Images::kAssumed);
  const std::string stored(enum_name(*request.stored_as));
  TableRow row{plan.model, stored, plan.width, plan.height, plan.num_frames, 0, {}};
  const std::vector<MemoryPlan> plans = memory_plans(models, plan, HistoryMemory::kApart);
  for (const int gib : kTableGib) {
    const uint64_t room = static_cast<uint64_t>(gib) * kGiB;
    TableCell& cell = row.cells.emplace_back();
    cell.measured = measured_within(cards, plan, stored, room);
    const auto fits = std::ranges::find_if(plans, [&](const MemoryPlan& p) { return p.predicted_peak <= room; });
    if (fits == plans.end()) continue;  // the cell says so
    cell.predicted = *fits;
    if (is_streamed(cell.predicted->dit_residency)) row.host_bytes = page_locked_bytes(models, plan, *cell.predicted);
  }
  return row;
}

}  // namespace

std::vector<TableRow> plan_table() {
  const auto cards = load_published(data_folder() / "suites" / "published.json");
  std::vector<TableRow> rows;
  std::vector<Request> requests = table_requests();
  for (Request& request : requests)
    for (const StoredAs stored : kStored) {
      request.stored_as = stored;
      rows.push_back(row_of(request, cards));
    }
  return rows;
}

}  // namespace wan::cli
