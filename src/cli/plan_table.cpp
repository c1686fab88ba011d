#include "cli/plan_table.h"

#include <algorithm>
#include <array>
#include <string>

#include "analysis/published.h"
#include "base/enum_names.h"
#include "base/error.h"
#include "cli/data_files.h"
#include "pipeline/memory_needs.h"
#include "pipeline/request_words.h"
#include "pipeline/residency.h"

namespace wan::cli {
namespace {

/// What people have the weights as.
constexpr std::array kStored{StoredAs::kBF16, StoredAs::kFp8Scaled, StoredAs::kQ8_0, StoredAs::kQ5KM, StoredAs::kQ4KM};

/// Sizes that people ask each model for, in pixels: the published ones of 480 lines, and each model's own.
constexpr VideoSize kSmall{832, 480, 0};

/// The videos of the table: of each model its own size, and before it the small one where that is not what it was made
/// for.
std::vector<VideoSize> sizes_of(const Variant& variant) {
  std::vector<VideoSize> out;
  const bool has_small = kSmall.width % variant.side_step() == 0 && kSmall.height % variant.side_step() == 0;
  if (has_small && variant.defaults.size.height != kSmall.height) out.push_back(kSmall);
  out.push_back(variant.defaults.size);
  return out;
}

/// Rows that are planned for one report: each takes a tenth of a second.
constexpr int kMostOwn = 6;

/// Of a video in one stored form.
std::vector<FitPeak> published_peaks(const std::vector<PublishedCard>& cards, const FitRow& row) {
  std::vector<FitPeak> peaks;
  for (const PublishedCard& card : cards)
    for (const PublishedVideo& video : card.videos) {
      const bool is_this = video.model == row.model && video.width == row.width && video.height == row.height &&
                           video.num_frames == row.num_frames;
      if (!is_this) continue;
      for (const PublishedPeak& peak : video.peaks)
        if (peak.stored_as == row.stored)
          peaks.push_back({peak.residency, peak.highest_bytes, video.recipe, card.device});
    }
  return peaks;
}

/// Fills what the plan says of the row's video.
void predict(const Request& request, FitRow& row) {
  const ModelSet models = open_models(request);
  const Plan plan = make_plan(request, models, Images::kAssumed);
  const std::vector<MemoryPlan> plans = memory_plans(models, plan, HistoryMemory::kApart);
  for (size_t i = 0; i < kFitGib.size(); ++i) {
    const uint64_t room = fit_room(i);
    const auto fits = std::ranges::find_if(plans, [&](const MemoryPlan& p) { return p.predicted_peak <= room; });
    if (fits == plans.end()) continue;  // the cell says so
    row.cells[i].predicted =
        FitPeak{std::string(enum_name(fits->dit_residency)), fits->predicted_peak, std::string(plan.recipe->name), ""};
    if (is_streamed(fits->dit_residency)) row.host_bytes = page_locked_bytes(models, plan, *fits);
  }
  row.model = plan.model;
  row.width = plan.width;
  row.height = plan.height;
  row.num_frames = plan.num_frames;
  row.is_predicted = true;
}

/// Of a published model, as random weights have it.
Request published_request(const std::string& model, StoredAs stored) {
  Request request;
  request.random_weights = true;
  request.model = model;
  request.device = "cuda:0";
  request.stored_as = stored;
  return request;
}

}  // namespace

std::vector<FitRow> plan_table() {
  const auto cards = load_published(data_folder() / "suites" / "published.json");
  std::vector<FitRow> rows;
  for (const Variant& variant : variants())
    for (const VideoSize& size : sizes_of(variant))
      for (const StoredAs stored : kStored) {
        Request request = published_request(std::string(variant.name), stored);
        request.width = size.width;
        request.height = size.height;
        FitRow& row = rows.emplace_back();
        row.stored = enum_name(stored);
        predict(request, row);
        const std::vector<FitPeak> published = published_peaks(cards, row);
        for (size_t i = 0; i < kFitGib.size(); ++i) row.cells[i].published = fastest_within(published, fit_room(i));
      }
  return rows;
}

void predict_own(std::vector<FitRow>& rows) {
  int left = kMostOwn;
  for (FitRow& row : rows) {
    const auto stored = enum_value<StoredAs>(row.stored);
    const bool is_published =
        std::ranges::any_of(variants(), [&](const Variant& variant) { return variant.name == row.model; });
    if (row.is_predicted || !stored || !is_published || left == 0) continue;
    Request request = published_request(row.model, *stored);
    request.width = row.width;
    request.height = row.height;
    request.num_frames = row.num_frames;
    try {
      predict(request, row);
    } catch (const Error&) {
      continue;  // a size that this program does not make: the row says what was measured
    }
    --left;
  }
}

}  // namespace wan::cli
