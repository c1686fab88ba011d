#include "suite/runner.h"

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/cgroup.h"
#include "base/error.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/output_file.h"
#include "measure/machine.h"
#include "measure/series.h"
#include "pipeline/request_json.h"
#include "results/folder_lock.h"
#include "results/samples.h"
#include "results/spans.h"
#include "results/stage_role.h"
#include "results/store.h"
#include "suite/command.h"
#include "suite/command_stages.h"
#include "suite/decided.h"
#include "suite/prepare.h"
#include "suite/range_stages.h"
#include "suite/stored_plan.h"

namespace wan::suite {
namespace {

namespace fs = std::filesystem;

/// Our own engine says the kernels of a traced run in one line, and counts for as long as it runs.
constexpr PipeLimits kOwnEngine{size_t{256} << 20, 10'000'000, size_t{4} << 30};

/// What identifies one kept video of a suite: its case's key, scope, repeat, and what else than its times it is for.
using RunIdentity = std::tuple<std::string, RunScope, int64_t, std::string>;

constexpr const char* kForItsTimes = "";
constexpr const char* kForItsKernels = "kernels";
std::string for_its_fidelity(const std::string& reference_key) { return "fidelity " + reference_key; }

RunIdentity identity_of(const RunRecord& record) {
  std::string purpose = record.kernels ? kForItsKernels : kForItsTimes;
  if (record.fidelity) purpose = for_its_fidelity(record.fidelity->comparison.reference_key);
  return {record.run_case.key, record.workload.scope, record.run_case.repeat, std::move(purpose)};
}

/// Digests of files that a case names by their paths: another content is another work.
std::string inputs_of(const Workload& work) {
  std::string inputs = fmt::format("{}|{}|{}", work.image_sha256, work.last_image_sha256, work.initial_latent_sha256);
  for (const auto& [key, value] : work.conditioning) inputs += fmt::format("|{} {}", key, value);
  return inputs;
}

bool has_other_inputs(const StoredPlan& stored, const StoredPlan& now) {
  return std::any_of(stored.inputs.begin(), stored.inputs.end(), [&](const auto& of_case) {
    const auto found = now.inputs.find(of_case.first);
    return found != now.inputs.end() && found->second != of_case.second;
  });
}

std::string plan_text(const Suite& suite, const std::vector<PlannedCase>& plan, const std::string& program_sha256) {
  nlohmann::ordered_json json;
  json["suite"] = suite.name;
  json["version"] = suite.version;
  json["program"] = program_sha256;
  for (const PlannedCase& planned : plan)
    json["cases"].push_back({{"name", planned.details.name},
                             {"key", planned.key},
                             {"inputs", inputs_of(planned.workload)},
                             {"request", nlohmann::ordered_json::parse(request_json(planned.details.request))}});
  return json.dump(1) + "\n";
}

/// Runs of two builds under one name would share a median.
void require_same_build(const StoredPlan& stored, const RunOptions& options) {
  if (stored.program == options.program_sha256 || options.other_build == OtherBuild::kAllow) return;
  const std::string other =
      stored.program.empty() ? "a build that did not record itself" : stored.program.substr(0, 12);
  throw Error(
      ErrorKind::kUsage,
      fmt::format("{} was begun by another build of this program ({}, this one is {}): name a new folder, or add "
                  "--allow-other-build to go on, and the report will say that runs of two builds are mixed",
                  options.output.string(), other, options.program_sha256.substr(0, 12)));
}

/// The Listener of one process: shows, and cuts a command's log into stages.
class RunListener final : public Listener {
 public:
  RunListener(Display& display, const std::vector<LogPattern>& patterns) : display_(display), log_(patterns) {}
  void on_message(const Message& message) override { display_.message(message); }
  void on_output(const std::string& line, int64_t at_ns) override {
    if (const StageId* begun = log_.line(line, at_ns)) display_.message(Begin{*begun, 0, {}});
  }
  void on_tick(const measure::Samples& samples) override { display_.tick(samples); }
  void on_interrupt() override { display_.note(kStopping); }
  const LogStages& log() const { return log_; }

 private:
  Display& display_;
  LogStages log_;
};

class SuiteRun {
 public:
  SuiteRun(const Suite& suite, const std::vector<PlannedCase>& plan, const RunOptions& options,
           const measure::GpuSet& gpus, Display& display)
      : plan_(plan),
        options_(options),
        gpus_(gpus),
        display_(display),
        preparer_(options.cool_down, [this](const std::string& text) { display_.note(text); }),
        lock_(options.output) {
    context_.suite = suite.name;
    context_.suite_version = suite.version;
    context_.protocol = options.command.empty() ? EngineProtocol::kNative : EngineProtocol::kCommand;
    context_.system = measure::describe_machine();
    context_.output = options.output;
    context_.program_sha256 = options.program_sha256;
    context_.overhead = options.overhead;
    const Repetition& repetition = options.repetition;
    context_.facts = {{"run_order", std::string(to_string(repetition.order))},
                      {"repeats_asked", repetition.until ? "auto" : std::to_string(repetition.repeats)},
                      {"warm_repeats_asked", repetition.warm_until ? "auto" : std::to_string(repetition.warm_repeats)}};
    if (repetition.warm_up_steps > 0)
      context_.facts[flags::kWarmUpStepsFact] = std::to_string(repetition.warm_up_steps);
    context_.facts.insert(options.facts.begin(), options.facts.end());
    remove_left_parts(options.output);
    find_stored();
    if (options.kernels != WatchKernels::kNo) plan_traced();
    plan_judged();
  }

  SuiteOutcome run() {
    Schedule schedule(
        plan_, options_.repetition,
        [this](const PlannedCase& planned, RunScope scope, int64_t repeat) { return stored(planned, scope, repeat); },
        [this](const std::string& text) { display_.note(text); });
    int64_t number = 0;
    while (const std::optional<Job> job = next_job(schedule)) {
      if (const int signal = signals_.take(); signal != 0) outcome_.stop_signal = signal;
      if (outcome_.stop_signal != 0) break;
      const bool is_beside = job->traced || job->fidelity != nullptr;
      if (!is_beside && is_left_out(*job)) {
        schedule.leave_out(*job);
        continue;
      }
      const int64_t left = schedule.left() + static_cast<int64_t>(beside_.size()) + (is_beside ? 1 : 0);
      display_.run_begins(*job->planned, *job, number + 1, number + left);
      const size_t before = outcome_.records.size();
      run_job(*job);
      ++number;
      if (outcome_.stop_signal != 0) break;
      if (!is_beside)
        schedule.ended(*job, {outcome_.records.begin() + static_cast<ptrdiff_t>(before), outcome_.records.end()});
    }
    remove_left_parts(options_.output);  // of engines that were killed
    // What the reference left is needed again where a case may still be run.
    if (outcome_.stop_signal == 0 && outcome_.left_out.empty() && !options_.keep.empty()) remove_all_of(keep_folder());
    outcome_.skipped = schedule.skipped();
    for (auto& [identity, stored] : stored_) outcome_.records.push_back(std::move(stored.record));
    return std::move(outcome_);
  }

 private:
  /// Record files are the truth: a kill at any moment loses at most the run it fell into.
  void find_stored() {
    if (!fs::exists(records_folder())) return;
    Collection collection = load_collection(records_folder());
    for (const DamagedFile& damaged : collection.damaged)
      display_.note(fmt::format("{} cannot be read and is left alone: {}", damaged.file.string(), damaged.message));
    for (StoredRecord& stored : collection.records) {
      if (stored.record.run_case.warmup) continue;
      const RunIdentity identity = identity_of(stored.record);
      if (stored.record.execution.has())
        decided_.try_emplace(stored.record.run_case.key, *stored.record.execution.value);
      if (stored.record.status == RunStatus::kInterrupted)
        superseded_[identity].push_back(stored.file);
      else
        stored_.emplace(identity, std::move(stored));
    }
  }

  /// One more cold run of each case on a card, watched closely; not those that are there already.
  void plan_traced() {
    for (const PlannedCase& planned : plan_) {
      if (!planned.details.request.device.starts_with("cuda"))
        display_.note(fmt::format("{}: no kernels to watch, it runs on the CPU", planned.details.name));
      else if (!stored_.contains({planned.key, RunScope::kCold, 0, kForItsKernels}))
        beside_.push_back({&planned, RunScope::kCold, 0, 1, false, true});
    }
  }

  /// One more process of each case that is to be judged, which makes what it is compared with as well.
  void plan_judged() {
    for (const PlannedFidelity& judged : options_.fidelity) {
      remove_all_of(scratch_folder(judged.task));
      const std::string purpose = for_its_fidelity(judged.task.reference_key);
      if (!stored_.contains({judged.planned->key, RunScope::kCold, 0, purpose}))
        beside_.push_back({judged.planned, RunScope::kCold, 0, 1, false, false, &judged.task});
    }
  }

  /// Of an engine that was killed, too.
  static void remove_all_of(const fs::path& scratch) {
    std::error_code ignored;
    fs::remove_all(scratch, ignored);
  }

  std::optional<Job> next_job(Schedule& schedule) {
    std::optional<Job> job = schedule.next();
    if (job || beside_.empty()) return job;
    job = beside_.front();
    beside_.pop_front();
    return job;
  }

  const RunRecord* stored(const PlannedCase& planned, RunScope scope, int64_t repeat) const {
    const auto found = stored_.find({planned.key, scope, repeat, kForItsTimes});
    return found == stored_.end() ? nullptr : &found->second.record;
  }

  bool is_left_out(const Job& job) {
    if (!options_.leave_out) return false;
    std::vector<RunRecord> so_far = outcome_.records;
    for (const auto& [identity, stored] : stored_) so_far.push_back(stored.record);
    const std::string why = options_.leave_out(job, so_far);
    if (why.empty()) return false;
    const std::string& name = job.planned->details.name;
    display_.note(fmt::format("{}: left out: {}", name, why));
    outcome_.left_out[name] = why;
    return true;
  }

  /// A timed run of the case of that key that ended well, made in this call or before; nullptr: there is none.
  const RunRecord* good_run(const std::string& key) const {
    const auto is_good = [&](const RunRecord& run) {
      return run.run_case.key == key && run.status == RunStatus::kOk && !run.fidelity && !run.kernels &&
             !run.run_case.warmup;
    };
    const auto made = std::find_if(outcome_.records.rbegin(), outcome_.records.rend(), is_good);
    if (made != outcome_.records.rend()) return &*made;
    const auto kept =
        std::find_if(stored_.begin(), stored_.end(), [&](const auto& stored) { return is_good(stored.second.record); });
    return kept == stored_.end() ? nullptr : &kept->second.record;
  }

  fs::path keep_folder() const { return options_.output / options_.keep; }

  /// What the run left behind; nothing where that is gone.
  std::optional<KeptVideo> kept_video(const RunRecord* run) const {
    if (run == nullptr) return std::nullopt;
    const Workload& work = run->workload;
    const std::string& key = run->run_case.key;
    KeptVideo video{kept_frames(keep_folder(), key),
                    kept_latent(keep_folder(), key),
                    work.width.value_or(0),
                    work.height.value_or(0),
                    work.num_frames.value_or(0),
                    work.fps.value_or(0),
                    run->output.sha256};
    std::error_code ignored;
    if (!fs::is_regular_file(video.frames, ignored) || !fs::is_regular_file(video.latent, ignored)) return std::nullopt;
    return video;
  }

  /// Sets what two timed runs left behind against one another.
  void judge_kept(const Job& job) {
    const std::string& name = job.planned->details.name;
    const RunRecord* made = good_run(job.planned->key);
    const auto reference = kept_video(good_run(job.fidelity->kept_reference)), test = kept_video(made);
    if (!reference || !test) {
      if (!outcome_.left_out.contains(name))
        display_.note(fmt::format("{}: fidelity is not measured: no frames of {} are kept", name,
                                  reference ? name : job.fidelity->pair.reference.name));
      return;
    }
    const RunRecord run = *made;
    FidelityTask task = *job.fidelity;
    task.kept = KeptPair{*reference, *test};
    Job judged = job;
    judged.fidelity = &task;
    run_process(judged, &run);
    if (outcome_.stop_signal != 0) return;
    std::error_code ignored;
    for (const fs::path& file : {test->frames, test->latent}) fs::remove(file, ignored);
  }

  /// A run of the case that kept its video, or nullptr.
  const RunRecord* run_with_video(const PlannedCase& planned) const {
    const auto has = [&](const RunRecord& run) {
      return run.run_case.key == planned.key && run.status == RunStatus::kOk && !run.output.file.empty() &&
             !run.fidelity;
    };
    const auto made = std::find_if(outcome_.records.begin(), outcome_.records.end(), has);
    if (made != outcome_.records.end()) return &*made;
    const auto kept =
        std::find_if(stored_.begin(), stored_.end(), [&](const auto& stored) { return has(stored.second.record); });
    return kept == stored_.end() ? nullptr : &kept->second.record;
  }

  EngineProtocol protocol_of(const Job& job) const {
    return job.fidelity != nullptr ? EngineProtocol::kNative : context_.protocol;
  }

  void run_job(const Job& job) {
    if (job.fidelity != nullptr && !job.fidelity->kept_reference.empty()) {
      judge_kept(job);
      return;
    }
    if (job.fidelity == nullptr || context_.protocol == EngineProtocol::kNative) {
      run_process(job, nullptr);
      return;
    }
    // Another program's video is judged as its run left it.
    const RunRecord* made = run_with_video(*job.planned);
    if (made == nullptr) {
      display_.note(fmt::format("{}: fidelity is not measured: no run of it kept a video", job.planned->details.name));
      return;
    }
    const RunRecord run = *made;
    FidelityTask task = *job.fidelity;
    task.test_video = options_.output / run.output.file;
    Job judged = job;
    judged.fidelity = &task;
    run_process(judged, &run);
  }

  /// `made`: the run of another program that a fidelity is found out of; nullptr: the process makes what it measures.
  void run_process(const Job& job, const RunRecord* made) {
    const PlannedCase& planned = *job.planned;
    const std::string created = utc_now();
    // Comparing what is kept is the host's work: the card need be neither idle nor cool for it.
    const bool is_comparing = job.fidelity != nullptr && job.fidelity->kept.has_value();
    measure::Gpu* gpu = is_comparing
                            ? nullptr
                            : measure::find_gpu(gpus_, planned.details.request.device, options_.cuda_visible_devices);
    const std::string why_no_gpu = !gpus_.gpus.empty() ? "the run does not use a GPU" : gpus_.reason;
    const Preparation preparation = preparer_.prepare(job, gpu, [this] { return signals_.waiting(); });
    const measure::IdleProbe probe = measure::probe_idle(gpu, static_cast<int64_t>(options_.idle_probe.value * 1e9));
    const std::vector<fs::path> videos = video_files(job);
    const WatchOptions watching = watch_options(job, videos);
    RunListener listener(display_, options_.patterns);
    const int64_t oom_before = Cgroups().oom_kills();
    Watched watched = watch(watching, gpu, gpu == nullptr ? why_no_gpu : "", listener);
    const EngineProtocol protocol = protocol_of(job);
    const Ending ending = classify(watched, protocol, Cgroups().oom_kills() - oom_before);
    std::string source = "engine";
    if (protocol == EngineProtocol::kCommand) source = cut_command(watched, listener.log(), options_.why_no_injection);
    remove_unfinished(watched, ending, videos);
    if (const auto& decided = watched.videos.front().decided; decided && made == nullptr)
      decided_.try_emplace(planned.key, decided->execution);
    finish_job({job, context_, watched, ending, created, watching.spawn, source, probe, preparation, gpu, videos},
               made);
    if (job.fidelity != nullptr) remove_all_of(scratch_folder(*job.fidelity));
    outcome_.stop_signal = watched.stop_signal;
    outcome_.second_signal = watched.second_signal;
  }

  void finish_job(const JobFacts& facts, const RunRecord* made) {
    std::vector<RunRecord> records = build_records(facts);
    if (made != nullptr) records = {judged_run(*made, facts)};
    for (RunRecord& record : records) {
      keep_samples(facts, record);
      keep_events(facts, record);
      store_spans(records_folder(), record);
      sync_video(record);
      const fs::path file = store_record(records_folder(), record);
      for (const fs::path& old : superseded_[identity_of(record)]) {
        std::error_code ignored;
        if (old != file) fs::remove(old, ignored);
      }
      ++(record.status == RunStatus::kOk ? outcome_.ok : outcome_.not_ok);
    }
    display_.run_ends(records);
    for (RunRecord& record : records) outcome_.records.push_back(std::move(record));
  }

  /// A record that is on the disk says that its video is. Not by the process that makes it: waiting for the disk would
  /// be measured.
  void sync_video(const RunRecord& record) const {
    const fs::path file = options_.output / record.output.file;
    std::error_code ignored;
    if (!record.output.file.empty() && fs::symlink_status(file, ignored).type() == fs::file_type::regular)
      sync_to_disk(file);
  }

  /// What was read while this record's video was made, beside the record.
  void keep_samples(const JobFacts& facts, RunRecord& record) const {
    const StageRecord* total = total_stage(record);
    if (facts.job.warmup || facts.job.fidelity != nullptr || total == nullptr) return;
    const int64_t begin_ns = record.clock.origin_monotonic_ns;
    store_samples(records_folder(), record,
                  measure::series_of(facts.watched.samples, {begin_ns, begin_ns + total->wall_ns}));
  }

  /// The kernels of a traced run, which makes one video.
  void keep_events(const JobFacts& facts, RunRecord& record) const {
    const VideoLog& video = facts.watched.videos.front();
    if (!record.kernels || !video.kernels || total_stage(record) == nullptr) return;
    KernelEvents events = video.kernels->events;
    shift(events, -record.clock.origin_monotonic_ns);
    store_kernel_events(records_folder(), record, events);
  }

  fs::path records_folder() const { return options_.output / "records"; }

  std::vector<fs::path> video_files(const Job& job) const {
    std::vector<fs::path> files(static_cast<size_t>(job.process_videos()));
    if (options_.video == WriteVideo::kNo || job.warmup || job.traced || job.fidelity != nullptr) return files;
    const fs::path folder = options_.output / "videos";
    fs::create_directories(folder);
    // The videos of a warm process are the same: only the last stays, under one name.
    for (fs::path& file : files)
      file = folder / fmt::format("{}.{}.r{}.mp4", job.planned->details.name, to_string(job.scope), job.first_repeat);
    return files;
  }

  WatchOptions watch_options(const Job& job, const std::vector<fs::path>& videos) {
    WatchOptions watching;
    Request request = job.planned->details.request;
    request.output = videos.front();
    if (const auto decided = decided_.find(job.planned->key); decided != decided_.end())
      ask_for(request, decided->second);
    // CUPTI counts from inside our own engine's process, and has one client in it.
    const EngineProtocol protocol = protocol_of(job);
    const bool cupti = options_.counters == measure::CounterRung::kCupti && request.device.starts_with("cuda") &&
                       protocol == EngineProtocol::kNative && !job.traced && job.fidelity == nullptr;
    watching.counters = cupti ? options_.counters : std::max(options_.counters, measure::CounterRung::kGpm);
    if (protocol == EngineProtocol::kNative) {
      watching.spawn.argv = options_.engine;
      watching.spawn.environment = options_.engine_environment;
      watching.start_option = kStartOption;
      for (std::string& word : engine_arguments(
               request, {job.process_videos(), job.scope == RunScope::kWarm ? options_.repetition.warm_up_steps : 0},
               job.traced ? options_.kernels : WatchKernels::kNo, cupti ? SampleCounters::kYes : SampleCounters::kNo))
        watching.spawn.argv.push_back(word);
      if (job.fidelity != nullptr)
        watching.spawn.argv.insert(watching.spawn.argv.end(), {"--fidelity", to_json(*job.fidelity)});
      else if (!options_.keep.empty() && !job.warmup && !job.traced)
        watching.spawn.argv.insert(watching.spawn.argv.end(), {"--keep", (keep_folder() / job.planned->key).string()});
    } else {
      ExpandedCommand command = expand_command(options_.command, job.planned->details, videos.front());
      watching.spawn.argv = std::move(command.argv);
      watching.spawn.environment = std::move(command.environment);
      auto& environment = watching.spawn.environment;
      environment[kRangePipeVariable] = std::to_string(Subprocess::kChannelDescriptor);
      if (!options_.injection_library.empty()) environment[kInjectionVariable] = options_.injection_library.string();
      if (!options_.python_path.empty()) environment["PYTHONPATH"] = options_.python_path;
    }
    watching.most_videos = static_cast<size_t>(job.process_videos());
    if (protocol == EngineProtocol::kNative) watching.pipe = kOwnEngine;
    watching.spawn.memory_limit_bytes = options_.memory_limit_bytes;
    watching.timeout = {options_.timeout.value * double(job.process_videos())};
    watching.grace = options_.grace;
    watching.signals = &signals_;
    return watching;
  }

  /// A video is left only when its run is complete; a killed process cannot tidy up after itself.
  static void remove_unfinished(const Watched& watched, const Ending& ending, const std::vector<fs::path>& videos) {
    if (ending.status == RunStatus::kOk || watched.videos.back().finished) return;
    for (const fs::path& video : videos) {
      if (video.empty()) continue;
      std::error_code ignored;
      const std::string name = video.filename().string();
      for (const auto& entry : fs::directory_iterator(video.parent_path(), ignored))
        if (entry.path().filename().string().starts_with(name)) fs::remove(entry.path(), ignored);
    }
  }

  const std::vector<PlannedCase>& plan_;
  const RunOptions& options_;
  const measure::GpuSet& gpus_;
  Display& display_;
  Preparer preparer_;
  SignalWatch signals_;
  FolderLock lock_;
  RunContext context_;
  std::deque<Job> beside_;                    // not for their times, still to come
  std::map<std::string, Execution> decided_;  // by a case's key: what its first run chose, all others are given
  std::map<RunIdentity, StoredRecord> stored_;
  std::map<RunIdentity, std::vector<fs::path>> superseded_;
  SuiteOutcome outcome_;
};

}  // namespace

std::vector<std::string> engine_arguments(const Request& request, const VideoCount& count, WatchKernels kernels,
                                          SampleCounters counters) {
  std::vector<std::string> words = {"--pipe-fd", std::to_string(Subprocess::kChannelDescriptor),
                                    "--videos",  std::to_string(count.videos),
                                    "--request", request_json(request)};
  if (count.warm_up_steps > 0) words.insert(words.end(), {flags::kWarmUpSteps, std::to_string(count.warm_up_steps)});
  if (kernels != WatchKernels::kNo) words.push_back("--trace-kernels");
  if (kernels == WatchKernels::kAll) words.push_back("--trace-all");
  if (counters == SampleCounters::kYes) words.push_back("--sample-counters");
  return words;
}

void claim_folder(const Suite& suite, const std::vector<PlannedCase>& plan, const RunOptions& options) {
  constexpr uint64_t kRoomBytes = uint64_t{256} << 20;  // records, samples and short videos of a suite
  std::error_code ignored;
  const bool has_something = fs::exists(options.output, ignored) &&
                             (!fs::is_directory(options.output, ignored) || !fs::is_empty(options.output, ignored));
  require(!has_something || options.if_stored == IfStored::kResume,
          fmt::format("{} is not empty: name a new folder, or add --resume to go on with the run in it",
                      options.output.string()),
          ErrorKind::kUsage);
  require_writable(options.output, kRoomBytes);
  const fs::path file = options.output / "plan.json";
  const std::string text = plan_text(suite, plan, options.program_sha256);
  if (fs::exists(file, ignored)) {
    const StoredPlan stored = read_plan(read_text(file)), now = read_plan(text);
    require(stored.keys == now.keys && !has_other_inputs(stored, now),
            fmt::format(
                "{} holds a run of other cases, settings, images or weights (see plan.json there): name a new folder",
                options.output.string()),
            ErrorKind::kUsage);
    require_same_build(stored, options);
    return;
  }
  write_atomically(file, text);
}

SuiteOutcome run_suite(const Suite& suite, const std::vector<PlannedCase>& plan, const RunOptions& options,
                       const measure::GpuSet& gpus, Display& display) {
  claim_folder(suite, plan, options);
  return SuiteRun(suite, plan, options, gpus, display).run();
}

}  // namespace wan::suite
