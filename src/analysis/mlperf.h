// Published MLPerf Inference results of text-to-video beside the cases here that do the same work: a comparison that
// nobody submitted or verified.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/case_view.h"

namespace wan {

/// What every entry of the division makes, and what a case has to make to stand beside them.
struct MlperfWorkload {
  std::string model;
  int64_t width = 0, height = 0, num_frames = 0, steps = 0;
  double guidance_scale = 0, guidance_scale_2 = 0;  // of the high-noise and of the low-noise expert
};

/// One system of one submitter.
struct MlperfEntry {
  std::string round;  // "v6.1"
  std::string submitter, platform;
  std::string card;  // as the submitter calls it
  int64_t cards = 0;
  std::string weights;                    // data types as declared, which say nothing of products and attention
  std::optional<double> single_stream_s;  // 90th percentile of one video after another; nothing where not submitted
  std::optional<double> offline_per_s;    // videos a second with all queued; likewise
};

struct MlperfSource {
  std::string round, text;
};

struct MlperfTable {
  std::string benchmark, division;
  MlperfWorkload workload;
  std::vector<MlperfSource> sources;  // one a round
  std::vector<MlperfEntry> entries;
};

/// Reads suites/mlperf.json. Throws Error(kInput) naming the file and the key.
MlperfTable load_mlperf(const std::filesystem::path& file);

/// Seconds that all cards of an entry together spend on a video: cards times latency, and cards over the rate.
std::optional<double> single_stream_card_seconds(const MlperfEntry& entry);
std::optional<double> offline_card_seconds(const MlperfEntry& entry);

/// A case here that does the work of the entries.
struct MlperfCase {
  const CaseView* shown = nullptr;
  int64_t cards = 0;
  std::string precision;        // "DiT bf16, VAE fp32"
  Quantity seconds;             // of a video, without loading, which MLPerf does not time
  Quantity card_seconds;        // by the cards that it held
  bool has_output_file = true;  // else, of a cold run, from the prompt's encoding to the decoded frames
};

struct MlperfView {
  MlperfTable table;
  std::vector<MlperfCase> cases;  // none: nothing of it is shown
};

/// The cases that did the table's work on cards: its model, size, frames, steps and guidance, nothing of it left out,
/// and not imported. Points into `cases`.
MlperfView mlperf_view(const std::deque<CaseView>& cases, MlperfTable table);

}  // namespace wan
