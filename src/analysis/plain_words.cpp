#include "analysis/plain_words.h"

#include <algorithm>
#include <map>

#include "results/enum_names.h"

namespace wan {
namespace {

const std::map<std::string_view, std::string_view>& flag_words() {
  static const std::map<std::string_view, std::string_view> kWords = {
      {"above_gpu_memory_limit", "measured with more GPU memory than its limit"},
      {"bimodal", "measured with steps at two speeds"},
      {"cpu_interference", "measured while other programs ran"},
      {"drift", "measured while its steps became slower or faster"},
      {"fidelity", "made to be compared, which is slower"},
      {"foreign_gpu_process", "measured while another program was on the card"},
      {"gpu_not_idle", "measured on a card that was busy just before"},
      {"integral_mismatch", "measured with energy or activity that does not add up over the stages"},
      {"inverse_of_rate", "worked out from how many videos a second a machine makes, many at once"},
      {"low_clock", "measured at a lower clock than the other runs"},
      {"median_of_runs", "the median of several runs, none of which is printed"},
      {"open_division", "measured in the open division, where model and settings may differ"},
      {"pcie_width_below_nominal", "measured with fewer PCIe lanes than the card has"},
      {"other_cache_curve", "measured with the curve of another shift, solver or number of steps"},
      {"percentile_90", "the time that 90 % of its videos kept to, not a mean"},
      {"pipe_overrun", "measured of a program that said more than is taken"},
      {"pipe_unreadable", "measured of a program that said something unreadable"},
      {"software_power_cap", "measured at the card's power limit, as long runs are"},
      {"stalled_readings", "measured on a machine that stood still for a moment"},
      {"stopped_process", "measured while the program was paused for a time"},
      {"swap", "measured while the machine was short of memory"},
      {"thermal_slowdown", "measured on a card that slowed down because it was hot"},
      {"times_outside_the_run", "measured with times outside the run"},
      {"traced", "measured with every kernel watched, which is slower"},
  };
  return kWords;
}

}  // namespace

std::string plain_verdict(const RatioTest& test) {
  switch (test.verdict) {
    case Verdict::kFaster: return "faster";
    case Verdict::kSlower: return "slower";
    case Verdict::kSame: return "equally fast";
    case Verdict::kInconclusive: break;
  }
  return test.p_rank ? "too close to say" : "too few runs to be sure";
}

bool has_plain_flag(std::string_view name) { return flag_words().contains(name); }

std::string plain_flag(std::string_view name) {
  const auto found = flag_words().find(name);
  if (found != flag_words().end()) return std::string(found->second);
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::string plain_status(RunStatus status) {
  switch (status) {
    case RunStatus::kOk: return "ended well";
    case RunStatus::kOutOfMemory: return "ran out of memory";
    case RunStatus::kTimeout: return "took longer than was allowed";
    case RunStatus::kCrash: return "crashed";
    case RunStatus::kInvalid: return "gave something that is no result";
    case RunStatus::kSkipped: return "was left out";
    case RunStatus::kInterrupted: return "was interrupted";
    case RunStatus::kQualityFail: return "gave a video that is not good enough";
  }
  return "failed";
}

std::string plain_reason(std::string_view reason) {
  constexpr std::string_view kFlag = "flag ", kStatus = "status ", kContradicts = "contradicts itself";
  if (reason.starts_with(kFlag)) {
    reason.remove_prefix(kFlag.size());
    return plain_flag(reason.substr(0, reason.find(':')));
  }
  if (reason.starts_with(kStatus)) {
    reason.remove_prefix(kStatus.size());
    for (const auto& [status, word] : EnumNames<RunStatus>::kTable)
      if (word == reason) return plain_status(status);
  }
  if (reason == "warmup") return "measured as a warm-up";
  if (reason == "no stages") return "without any stage";
  if (reason.starts_with(kContradicts)) return "measured by a record that contradicts itself";
  return std::string(reason);
}

}  // namespace wan
