#include "cli/plan_text.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/duration.h"
#include "cli/columns.h"
#include "pipeline/decisions.h"
#include "pipeline/recipe_names.h"
#include "pipeline/residency.h"

namespace wan::cli {
namespace {

double gib(uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30); }

std::string_view word_of(StageRole role) {
  switch (role) {
    case StageRole::kInitialization: return "loading";
    case StageRole::kTextEncoding: return "text";
    case StageRole::kAudioEncoding: return "sound";
    case StageRole::kVaeEncoding: return "image";
    case StageRole::kStepInference: return "a step";
    default: return "decoding";
  }
}

std::string_view word_of(Residency residency) {
  return residency == Residency::kStream ? "streamed" : enum_name(residency);
}

const ExpectedStage* stage_of(const VideoPlan& video, StageRole role) {
  const auto found = std::find_if(video.stages.begin(), video.stages.end(),
                                  [&](const ExpectedStage& stage) { return stage.role == role; });
  return found == video.stages.end() ? nullptr : &*found;
}

std::string seconds_text(const ExpectedStage* stage) {
  if (stage == nullptr || !stage->seconds) return "-";
  return fmt::format("{:.3g}", *stage->seconds);
}

void print_card(const PlannedCard& card) {
  if (card.name.empty()) {
    print("{}", wrapped("card: none here: " + card.why_no_card, 0, 2));
    const std::string room = card.room_bytes ? fmt::format("{:.1f} GiB {}", gib(*card.room_bytes), card.room_words)
                                             : std::string("as one with memory for everything");
    print("{}", wrapped(fmt::format("planned {}; --card names another", room), 0, 2));
    return;
  }
  const std::string total = card.total_bytes ? fmt::format(", {:.1f} GiB", gib(*card.total_bytes)) : "";
  const std::string room = card.room_bytes
                               ? fmt::format(", for a process {:.1f} GiB {}", gib(*card.room_bytes), card.room_words)
                               : std::string(", its memory is not in the table");
  print("{}", wrapped(fmt::format("card: {}{}{}", card.name, total, room), 0, 2));
}

void print_memory(const VideoPlan& video) {
  print("{:<9} {:>7} {:>7} {:>6} {:>7} {:>7} {:>7} {:>8} {:>10}\n", "GiB", "DiT", "enc.", "VAE", "activ.", "other",
        "libr.", "in all", "seconds");
  for (const StageMemory& stage : video.memory.stages)
    print("{:<9} {:>7.2f} {:>7.2f} {:>6.2f} {:>7.2f} {:>7.2f} {:>7.2f} {:>8.2f} {:>10}\n", word_of(stage.role),
          gib(stage.dit_weights), gib(stage.text_encoder_weights + stage.audio_encoder_weights), gib(stage.vae_weights),
          gib(stage.activations), gib(stage.tensors + stage.merging), gib(stage.libraries), gib(stage.total()),
          seconds_text(stage_of(video, stage.role)));
}

/// Why seconds are missing, stages of one reason together.
void print_missing(const VideoPlan& video) {
  std::vector<std::string> told;
  for (const ExpectedStage& stage : video.stages) {
    if (stage.seconds || std::find(told.begin(), told.end(), stage.reason) != told.end()) continue;
    told.push_back(stage.reason);
    std::string stages;
    for (const ExpectedStage& other : video.stages)
      if (!other.seconds && other.reason == stage.reason)
        stages += (stages.empty() ? "" : ", ") + std::string(word_of(other.role));
    print("{}", wrapped(fmt::format("no seconds for {}: {}", stages, stage.reason), 0, 2));
  }
}

/// "forwards: 52 of 100 are computed (magcache: ...): CCrrC..."
std::string reuse_line(const Plan& plan) {
  const Decisions decisions = decisions_of(plan);
  const std::string computed = decisions.forwards_planned ? fmt::format("{}", *decisions.forwards_planned)
                                                          : fmt::format("at most {}", plan.passes());
  return fmt::format("forwards: {} of {} are computed ({}): {} {}", computed, decisions.forwards_in_all,
                     fmt::join(decisions.approximations, "; "), decisions.forwards_cond, decisions.forwards_uncond);
}

void print_video(const VideoPlan& video) {
  const Plan& plan = video.plan;
  const std::string name = video.name.empty() ? "" : video.name + ": ";
  const std::string recipe = is_official(plan.recipe->name) ? "" : fmt::format(" of {}", plan.recipe->name);
  print("\n{}", wrapped(fmt::format("{}{}, {}x{}, {} frames, {} steps{}", name, plan.model, plan.width, plan.height,
                                    plan.num_frames, plan.steps, recipe),
                        0, 2));
  if (!video.fits()) print("{}", wrapped("does not fit: " + video.refusal, 0, 2));
  print("{}", wrapped(fmt::format("weights {}{}, peak {:.2f} GiB on the card; {:.2f} GiB of the host page-locked",
                                  video.fits() ? "" : "would be ", word_of(video.memory.dit_residency),
                                  gib(video.memory.predicted_peak), gib(video.host_bytes)),
                      0, 2));
  if (plan.is_altered()) print("{}", wrapped(reuse_line(plan), 0, 2));
  if (const std::string& remark = plan.step_cache.curve_remark; !remark.empty())
    print("{}", wrapped("note: " + remark, 0, 2));
  print_memory(video);
  if (const auto seconds = video.seconds())
    print("{}", wrapped(fmt::format("in all {}, all steps counted, without what is not known", duration_text(*seconds)),
                        0, 2));
  print_missing(video);
}

std::string percent_text(const std::optional<double>& error) {
  return error ? fmt::format("{:+.1f}", 100 * *error) : std::string("-");
}

/// A card's records, against what is computed for them.
void print_errors(const CardSeconds& seconds) {
  print("\n{}", wrapped(fmt::format("seconds of {} by its published records; errors in percent: fitted, and with that "
                                    "video left out of the fit",
                                    seconds.published.device),
                        0, 2));
  print("{:<36} {:>9} {:>9} {:>7} {:>9}\n", "video", "stage", "measured", "fitted", "left out");
  for (size_t i = 0; i < seconds.published.videos.size(); ++i) {
    const PublishedVideo& video = seconds.published.videos[i];
    const auto line = [&](const char* stage, const std::optional<double>& measured, const StageFit& fit) {
      if (!measured || !fit.is_known()) return;
      const std::string name =
          fmt::format("{} {}x{} {} {}", video.model, video.width, video.height, video.num_frames, video.recipe);
      print("{:<36} {:>9} {:>9.3f} {:>7} {:>9}\n", name, stage, *measured, percent_text(fit.errors[i]),
            percent_text(fit.left_out[i]));
    };
    line("text", video.text_s, seconds.fits.text);
    line("image", video.image_s, seconds.fits.image);
    line("a step", video.step_s, seconds.fits.step);
    line("copies", video.copy_s, seconds.fits.copy);
    line("decoding", video.decode_s, seconds.fits.decode);
  }
}

char letter_of(std::string_view residency) {
  const std::optional<Residency> known = enum_value<Residency>(residency);
  if (!known) return '?';
  if (is_streamed(*known)) return 's';
  return residency.front();
}

std::string peak_text(const std::optional<FitPeak>& peak, const char* absent) {
  return peak ? fmt::format("{:.1f}{}", gib(peak->bytes), letter_of(peak->residency)) : absent;
}

void print_row(const std::string& title, const std::vector<std::string>& cells, const std::string& host) {
  std::string line = fmt::format("{:<22}", title);
  for (const std::string& cell : cells) line += fmt::format(" {:>5}", cell);
  if (!host.empty()) line += fmt::format("{:>8}", host);
  print("{}\n", line.substr(0, line.find_last_not_of(' ') + 1));
}

}  // namespace

void print_plans(const PlannedCard& card, const std::vector<VideoPlan>& videos, Detail detail) {
  print_card(card);
  for (const VideoPlan& video : videos) print_video(video);
  if (detail == Detail::kErrors && card.seconds) print_errors(*card.seconds);
}

void print_table(const std::vector<FitRow>& rows) {
  print("{}", wrapped("GiB on the card at its peak, by the memory that there is for the process: weights r resident, "
                      "p packed on the card as they are stored, s streamed from the host, - nowhere; below it in rows "
                      "of their own what published records "
                      "measured; host: page-locked where weights are streamed",
                      0, 2));
  std::vector<std::string> head;
  for (const int memory : kFitGib) head.push_back(fmt::format("{}", memory));
  print_row("memory, GiB", head, "host");
  for (const FitRow& row : rows) {
    std::vector<std::string> predicted, measured;
    for (const FitCell& cell : row.cells) {
      predicted.push_back(peak_text(cell.predicted, "-"));
      measured.push_back(peak_text(cell.published, ""));
    }
    print("{} {}x{}, {} frames, {}\n", row.model, row.width, row.height, row.num_frames, row.stored);
    print_row("  predicted", predicted, row.host_bytes > 0 ? fmt::format("{:.1f}", gib(row.host_bytes)) : "-");
    const bool any =
        std::any_of(row.cells.begin(), row.cells.end(), [](const FitCell& c) { return c.published.has_value(); });
    if (any) print_row("  measured", measured, "");
  }
}

}  // namespace wan::cli
