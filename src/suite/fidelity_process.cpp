#include "suite/fidelity_process.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/file.h"
#include "fidelity/compare_videos.h"
#include "fidelity/latents.h"
#include "measure/proc.h"
#include "pipeline/engine.h"
#include "pipeline/request_json.h"
#include "suite/frame_file.h"

namespace wan::suite {
namespace {

namespace fs = std::filesystem;

/// One setting's video, for as long as others are compared with it.
struct Made {
  std::unique_ptr<FrameFile> frames;
  fs::path latents;  // as `generate --dump` writes them
  std::string sha256;
};

/// Frames, latents and what else is at work, in a folder that goes with the object.
class Scratch {
 public:
  explicit Scratch(fs::path folder) : folder_(std::move(folder)) { fs::create_directories(folder_); }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  fs::path operator/(const std::string& name) const { return folder_ / name; }

 private:
  fs::path folder_;
};

class SettingRuns {
 public:
  SettingRuns(const EngineProcess& process, PipeObserver& pipe, const Scratch& scratch)
      : process_(process), pipe_(pipe), scratch_(scratch) {}

  /// Its video, made now unless it was before.
  const Made& make(const Setting& setting) {
    const std::string key = request_json(setting.request);
    if (const auto found = made_.find(key); found != made_.end()) return found->second;
    const std::string name = std::to_string(made_.size());
    Made made{std::make_unique<FrameFile>(scratch_ / (name + ".rgb")), scratch_ / (name + ".safetensors"), {}};
    Request request = setting.request;
    request.dump = made.latents;
    made.sha256 = run(request, {made.frames.get()}).video_sha256;
    return made_.emplace(key, std::move(made)).first->second;
  }

  std::vector<StepDistance> replay(const Setting& setting, const Made& reference) {
    Request request = setting.request;
    request.replay = reference.latents;
    std::vector<StepDistance> steps;
    for (const ReplayedStep& step : run(request, {}).replayed)
      steps.push_back({step.step, measured(step.relative_l2, "replay"), measured(step.cosine, "replay")});
    return steps;
  }

 private:
  Outcome run(const Request& request, std::vector<FrameConsumer*> consumers) {
    int64_t start_ns = process_.start_ns;
    if (videos_ > 0) {
      const NextVideo next{videos_, measure::read_own_and_reset_peak()};
      start_ns = next.own.at_ns;
      pipe_.send(next);
    }
    ++videos_;
    Outcome outcome = engine_.generate(
        request, {&pipe_, process_.stop, start_ns, std::move(consumers), nullptr, leave_when_stuck(pipe_)});
    pipe_.send_finished(outcome);
    return outcome;
  }

  const EngineProcess& process_;
  PipeObserver& pipe_;
  const Scratch& scratch_;
  Engine engine_;
  std::map<std::string, Made> made_;
  int videos_ = 0;
};

Measured<double> value_of(const Score& score, const char* source) {
  return score.value ? measured(*score.value, source) : absent<double>(score.reason);
}

void add_scores(FidelityComparison& comparison, const FidelityResult& result) {
  comparison.frames = result.frames;
  comparison.identical = result.identical;
  comparison.includes_codec =
      result.reference.storage == FrameStorage::kMp4 || result.test.storage == FrameStorage::kMp4;
  for (const MetricText& text : kMetricTexts) {
    const MetricResult& metric = result.of(text.metric);
    comparison.scores.push_back(
        {std::string(text.key), value_of(metric.mean, "frames"), value_of(metric.worst, "frames"), metric.worst_frame});
  }
}

void add_latents(FidelityComparison& comparison, const fs::path& reference, const fs::path& test) {
  try {
    for (const LatentStep& step : compare_latents(reference, test))
      comparison.latents.push_back({step.step, value_of(step.relative_l2, "dump"), value_of(step.cosine, "dump")});
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::kNotComparable) throw;
    comparison.why_no_latents = "other_steps";
  }
}

FidelityComparison named_comparison(const SettingPair& pair) {
  FidelityComparison comparison;
  comparison.reference = pair.reference.name;
  comparison.test = pair.test.name;
  comparison.reference_class = pair.reference.precision_class;
  comparison.reference_recipe = pair.reference.recipe;
  return comparison;
}

Image frame_of(VideoFrames& video, int64_t index) {
  Image frame;
  for (int64_t i = 0; i <= index; ++i)
    require(video.next(frame), video.facts().path.string() + ": has fewer frames than it had", ErrorKind::kRuntime);
  return frame;
}

Image difference_of(const Image& a, const Image& b) {
  Image out = a;
  for (size_t i = 0; i < out.rgb.size(); ++i)
    out.rgb[i] = static_cast<uint8_t>(std::min(255, kDifferenceGain * std::abs(int{a.rgb[i]} - int{b.rgb[i]})));
  return out;
}

/// The frame that is furthest off; none where no frame differs.
std::optional<FidelityStill> keep_still(const FidelityTask& task, const FidelityResult& result, VideoFrames& reference,
                                        VideoFrames& test) {
  const MetricResult& ssim = result.of(Metric::kSsim);
  const std::optional<int64_t> worst = ssim.worst_frame ? ssim.worst_frame : result.of(Metric::kPsnr).worst_frame;
  if (result.identical || !worst) return std::nullopt;
  const Image a = frame_of(reference, *worst), b = frame_of(test, *worst);
  FidelityStill still{*worst, {}, {}, {}};
  const auto keep = [&](const char* name, const Image& image) {
    const fs::path file = task.folder / name;
    write_png(file, image);
    return file.lexically_relative(task.stills_from).generic_string();
  };
  still.reference = keep("reference.png", a);
  still.test = keep("test.png", b);
  still.difference = keep("difference.png", difference_of(a, b));
  return still;
}

VideoInfo info_of(const KeptVideo& video) {
  VideoInfo info;
  info.width = video.width;
  info.height = video.height;
  info.num_frames = video.num_frames;
  info.fps = video.fps;
  return info;
}

/// Of two videos that timed runs kept. No step begins with the other's latent: that would be another run.
FidelityRecord measure_kept(const FidelityTask& task) {
  const KeptVideo &reference = task.kept->reference, &test = task.kept->test;
  const auto open = [](const KeptVideo& video) { return open_kept_frames(video.frames, info_of(video)); };
  FidelityRecord record;
  record.why_no_noise_floor = task.why_no_floor;
  FidelityComparison& comparison = record.comparison = named_comparison(task.pair);
  comparison.reference_key = task.reference_key;
  comparison.reference_sha256 = reference.sha256;
  comparison.test_sha256 = test.sha256;
  comparison.why_not_replayed = task.pair.why_not_replayed;
  const FidelityResult result = compare_videos(*open(reference), *open(test));
  add_scores(comparison, result);
  add_latents(comparison, reference.latent, test.latent);
  record.still = keep_still(task, result, *open(reference), *open(test));
  return record;
}

/// What there is to say of the test's video, which was made before.
Outcome outcome_of(const KeptVideo& video) {
  Outcome outcome;
  outcome.width = video.width;
  outcome.height = video.height;
  outcome.num_frames = video.num_frames;
  outcome.fps = video.fps;
  outcome.video_sha256 = video.sha256;
  return outcome;
}

class FidelityMeasurement {
 public:
  FidelityMeasurement(const FidelityTask& task, SettingRuns& runs) : task_(task), runs_(runs) {}

  FidelityRecord measure() {
    FidelityRecord record;
    record.comparison = task_.test_video.empty() ? of_setting(record) : of_file(record);
    record.comparison.reference_key = task_.reference_key;
    record.velocity_bound = task_.bound;
    record.why_no_noise_floor = task_.why_no_floor;
    for (const SettingPair& pair : task_.floor) record.noise_floor.push_back(compare(pair));
    return record;
  }

 private:
  FidelityComparison of_setting(FidelityRecord& record) {
    const Made& test = runs_.make(task_.pair.test);
    const Made& reference = runs_.make(task_.pair.reference);
    FidelityResult result;
    FidelityComparison comparison = compare(task_.pair, &result);
    record.still = keep_still(task_, result, *reference.frames->open(), *test.frames->open());
    return comparison;
  }

  /// Of a video that another program made: its frames are all there is.
  FidelityComparison of_file(FidelityRecord& record) {
    FidelityComparison comparison = named_comparison(task_.pair);
    const Made& reference = runs_.make(task_.pair.reference);
    comparison.reference_sha256 = reference.sha256;
    comparison.why_no_latents = comparison.why_not_replayed = "made_by_another_program";
    const FidelityResult result = compare_videos(*reference.frames->open(), *open_video_frames(task_.test_video));
    add_scores(comparison, result);
    record.still = keep_still(task_, result, *reference.frames->open(), *open_video_frames(task_.test_video));
    return comparison;
  }

  FidelityComparison compare(const SettingPair& pair, FidelityResult* frames = nullptr) {
    FidelityComparison comparison = named_comparison(pair);
    const Made& reference = runs_.make(pair.reference);
    const Made& test = runs_.make(pair.test);
    comparison.reference_sha256 = reference.sha256;
    comparison.test_sha256 = test.sha256;
    FidelityResult result = compare_videos(*reference.frames->open(), *test.frames->open());
    add_scores(comparison, result);
    if (frames != nullptr) *frames = std::move(result);
    add_latents(comparison, reference.latents, test.latents);
    comparison.why_not_replayed = pair.why_not_replayed;
    if (pair.why_not_replayed.empty()) comparison.replayed = runs_.replay(pair.test, reference);
    return comparison;
  }

  const FidelityTask& task_;
  SettingRuns& runs_;
};

}  // namespace

void measure_fidelity(const EngineProcess& process, PipeObserver& pipe) {
  const FidelityTask task = fidelity_task_from_json(process.fidelity);
  if (task.kept) {
    fs::create_directories(task.folder);
    pipe.send(Fidelity{measure_kept(task)});
    pipe.send_finished(outcome_of(task.kept->test));
    return;
  }
  const Scratch scratch(scratch_folder(task));
  for (const SettingPair& pair : task.floor)
    if (pair.test.request.tuning_table == empty_table(task)) write_atomically(empty_table(task), "# none is chosen\n");
  SettingRuns runs(process, pipe, scratch);
  pipe.send(Fidelity{FidelityMeasurement(task, runs).measure()});
}

}  // namespace wan::suite
