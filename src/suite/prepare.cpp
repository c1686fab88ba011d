#include "suite/prepare.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "measure/cooldown.h"
#include "measure/page_cache.h"
#include "pipeline/weight_files.h"

namespace wan::suite {
namespace {

constexpr size_t kMostFiles = 1000;

/// Of weights in a layout that only another program knows, every file that is called as weights are.
std::vector<std::filesystem::path> files_called_weights(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code failure;
  std::filesystem::recursive_directory_iterator entry(
      folder, std::filesystem::directory_options::follow_directory_symlink, failure);
  for (const std::filesystem::recursive_directory_iterator end; !failure && entry != end && files.size() < kMostFiles;
       entry.increment(failure)) {
    const std::string extension = entry->path().extension().string();
    std::error_code unknown;
    if ((extension == ".safetensors" || extension == ".gguf" || extension == ".pth") && entry->is_regular_file(unknown))
      files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::filesystem::path> paths_of(const WeightChoice& weights) {
  if (weights.empty()) return {};
  try {
    return weight_paths(weights);
  } catch (const Error&) {
    return files_called_weights(weights.checkpoint);
  }
}

}  // namespace

void Preparer::note_once(const std::string& text) {
  if (noted_.insert(text).second) note_(text);
}

void Preparer::cool(const Job& job, measure::Gpu* gpu, const Stop& stop, Preparation& into) {
  if (gpu == nullptr) return;
  const auto first = first_start_c_.find(gpu);
  const std::optional<double> limit = first == first_start_c_.end() ? std::nullopt : std::optional(first->second);
  const measure::CoolDown state = measure::wait_until_cool(gpu, limit, cool_down_.value, stop);
  if (!state.start_c) return;
  // A warm-up starts from a card at rest, to which the runs after it could not cool down in reasonable time.
  if (!job.warmup) first_start_c_.emplace(gpu, *state.start_c);
  into.facts["start_temperature_c"] = fmt::format("{:.0f}", *state.start_c);
  into.facts["cool_down_s"] = fmt::format("{:.1f}", state.waited_s);
}

void Preparer::set_page_cache(const Job& job, Preparation& into) {
  if (job.warmup || job.scope != RunScope::kCold) return;
  const PlannedCase& planned = *job.planned;
  const WeightChoice weights = planned.details.request.weights();
  const std::vector<std::filesystem::path> files = paths_of(weights);
  Measured<double> share = measure::share_resident(files);
  if (planned.page_cache == PageCacheSetting::kHot && measure::page_cache_of(share) != PageCache::kHot) {
    if (share.has() || read_once_.insert(weights).second) measure::read_through(files);
    share = measure::share_resident(files);
  }
  if (planned.page_cache == PageCacheSetting::kEvict) {
    measure::evict(files);
    share = measure::share_resident(files);
  }
  into.facts["page_cache_resident"] = share.has() ? fmt::format("{:.4f}", *share.value) : share.reason;
  if (planned.page_cache == PageCacheSetting::kAsIs) return;
  const PageCache asked = planned.page_cache == PageCacheSetting::kHot ? PageCache::kHot : PageCache::kEvicted;
  if (measure::page_cache_of(share) == asked) {
    into.page_cache = asked;
    return;
  }
  note_once(fmt::format("{}: the page cache is recorded as unknown: {}", planned.details.name,
                        share.has() ? fmt::format("{:.1f} % of the weight files are in it", 100 * *share.value)
                        : share.reason == "no_files"
                            ? "the case has no weight files"
                            : fmt::format("the kernel does not say what it holds ({}: own the weight files, or be "
                                          "allowed to write them)",
                                          share.reason)));
}

Preparation Preparer::prepare(const Job& job, measure::Gpu* gpu, const Stop& stop) {
  Preparation result;
  cool(job, gpu, stop, result);
  set_page_cache(job, result);
  return result;
}

}  // namespace wan::suite
