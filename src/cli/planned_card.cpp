#include "cli/planned_card.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "cli/data_files.h"
#include "cli/needs_here.h"

namespace wan::cli {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

/// Of a card's memory the driver keeps so much from every process: 0.55 to 0.63 GiB of an H100 80GB HBM3 and of an
/// H200, driver 580.159.
constexpr uint64_t kDriverBytes = uint64_t{640} << 20;

/// Only the kernels of this capability leave the VAE's histories where they are (backend/cuda/conv.cpp).
constexpr const char* kHistoriesApart = "9.0";

/// By a device's whole name, or by some words of an entry: "rtx pro".
const CardPeak& peak_named(const std::vector<CardPeak>& peaks, const std::string& name) {
  if (const CardPeak* found = find_peak(peaks, name)) return *found;
  std::vector<CardPeak> words(1);
  words.front().match = name;
  for (const CardPeak& peak : peaks)
    if (find_peak(words, peak.match) != nullptr) return peak;
  std::vector<std::string> names;
  for (const CardPeak& peak : peaks) names.push_back(peak.match);
  throw Error(ErrorKind::kUsage,
              fmt::format("--card '{}': suites/peaks.json has no such card; it has {}", name, fmt::join(names, ", ")));
}

void take_from_table(const CardPeak& peak, PlannedCard& card) {
  card.name = peak.match;
  card.history = peak.compute_capability == kHistoriesApart ? HistoryMemory::kApart : HistoryMemory::kJoined;
  if (!peak.memory_gib) return;
  card.total_bytes = static_cast<uint64_t>(*peak.memory_gib * kGiB);
  card.room_bytes = *card.total_bytes - std::min(*card.total_bytes, kDriverBytes);
  card.room_words = "less what the driver keeps";
}

void take_this_machine(PlannedCard& card) {
  const MachineHere here = look_at_machine();
  card.limits.host_free = here.host_free;
  card.limits.host_total = here.host_total;
  if (!here.card) {
    card.why_no_card = here.why_no_card;
    return;
  }
  card.name = here.card->name;
  card.history = here.card->history;
  card.total_bytes = here.card->total_bytes;
  card.room_bytes = here.card->free_bytes;
  card.room_words = "free now";
}

void bound(PlannedCard& card, const std::optional<MemorySize>& limit) {
  if (limit && (!card.room_bytes || limit->bytes < *card.room_bytes)) {
    card.room_bytes = limit->bytes;
    card.room_words = "by --gpu-memory-limit";
  }
  if (card.room_bytes) card.limits.device_free = card.limits.device_total = *card.room_bytes;
}

void add_seconds(const std::vector<CardPeak>& peaks, PlannedCard& card) {
  const CardPeak* peak = find_peak(peaks, card.name);
  const auto cards = load_published(data_folder() / "suites" / "published.json");
  const PublishedCard* found = peak == nullptr ? nullptr : find_published(cards, peaks, *peak);
  if (found == nullptr)
    card.why_no_seconds = card.name.empty() ? "no card is named" : "no published record is of this card";
  else
    card.seconds = CardSeconds{*found, fit_published(*found)};
}

}  // namespace

Request request_of(const PublishedVideo& video) {
  Request request;
  request.random_weights = true;
  request.model = video.model;
  request.width = video.width;
  request.height = video.height;
  request.num_frames = video.num_frames;
  request.recipe = video.recipe;
  request.steps = static_cast<int>(video.steps);
  request.device = "cuda:0";
  return request;
}

StageFits fit_published(const PublishedCard& card) {
  std::vector<MeasuredVideo> measured;
  for (const PublishedVideo& video : card.videos) {
    const Request request = request_of(video);
    const ModelSet models = open_models(request);
    measured.push_back({stage_work(models, make_plan(request, models, Images::kAssumed)), video.text_s, video.image_s,
                        video.step_s, video.copy_s, video.decode_s});
  }
  return fit_stages(measured);
}

PlannedCard planned_card(const std::string& name, const std::optional<MemorySize>& limit) {
  const std::vector<CardPeak> peaks = load_peaks(data_folder() / "suites" / "peaks.json");
  PlannedCard card;
  if (name.empty())
    take_this_machine(card);
  else
    take_from_table(peak_named(peaks, name), card);
  bound(card, limit);
  add_seconds(peaks, card);
  return card;
}

}  // namespace wan::cli
