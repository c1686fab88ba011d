#include "suite/record_builder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/build_info.h"
#include "base/flags.h"
#include "measure/account.h"
#include "measure/machine.h"
#include "results/redact.h"
#include "suite/decided.h"
#include "suite/run_bounds.h"

namespace wan::suite {
namespace {

/// From the start of the process, or of the video in a warm one, to its end.
measure::Interval total_of(const Watched& watched, size_t index) {
  const VideoLog& video = watched.videos[index];
  measure::Interval total = watched.total;
  if (video.next) total.begin_ns = video.next->own.at_ns;
  const bool alone = watched.videos.size() == 1;
  if (!alone && video.finished) total.end_ns = video.finished->own.at_ns;
  return total;
}

/// The video's spans, and of one that did not end the stage in which it stopped.
std::vector<StageSpan> spans_of(const VideoLog& video, const measure::Interval& total) {
  std::vector<StageSpan> spans = video.spans;
  if (video.finished || video.begins.empty()) return spans;
  const Begin& last = video.begins.back();
  int64_t begin_ns = std::max(last.own.at_ns, total.begin_ns);
  bool over = false;
  for (const StageSpan& span : video.spans) {
    if (!span.is_leaf()) continue;
    over |= span.stage == last.stage;
    begin_ns = std::max(begin_ns, span.end_ns);  // the host may begin a stage while the device is in the one before
  }
  if (over || begin_ns >= total.end_ns) return spans;
  StageSpan open{last.stage, "", false, begin_ns, total.end_ns};
  open.cut_off = true;
  spans.push_back(open);
  return spans;
}

std::string span_source(const JobFacts& facts, const VideoLog& video) {
  if (facts.marker_source == "shim") return video.shim_clock.empty() ? "clock" : video.shim_clock;
  return facts.gpu != nullptr && facts.marker_source == "engine" ? "device_event" : "clock";
}

/// `left_out` is told of spans that cannot be of this run.
measure::RunTimeline timeline_of(const JobFacts& facts, size_t index, std::string& left_out) {
  const VideoLog& video = facts.watched.videos[index];
  measure::RunTimeline timeline;
  timeline.total = total_of(facts.watched, index);
  timeline.from_process_start = !video.next;
  SpansWithin within = spans_within(spans_of(video, timeline.total), facts.watched.total);
  timeline.spans = std::move(within.spans);
  left_out = std::move(within.left_out);
  timeline.span_source = span_source(facts, video);
  for (const Memory& memory : video.memory)
    // On the CPU the "device" is host memory, which the process's own size already shows.
    timeline.memory.push_back({memory.stage,
                               facts.gpu != nullptr ? memory.device_bytes : std::map<std::string, uint64_t>{},
                               memory.host_bytes, facts.gpu != nullptr ? memory.device_peak_bytes : std::nullopt});
  // A command's marks carry no readings of its own.
  if (facts.marker_source == "engine") {
    if (video.next) timeline.boundaries.push_back(video.next->own);
    for (const Begin& begin : video.begins) timeline.boundaries.push_back(begin.own);
    if (video.finished) timeline.boundaries.push_back(video.finished->own);
  }
  if (facts.watched.videos.size() == 1) {
    timeline.exit_cpu_ns = facts.watched.exit.cpu_ns;
    timeline.exit_peak_rss_bytes = facts.watched.exit.peak_rss_bytes;
  }
  return timeline;
}

void fill_workload(Workload& work, const VideoLog& video, RunScope scope) {
  work.scope = scope;
  if (scope == RunScope::kWarm) work.page_cache = PageCache::kHot;
  if (!video.finished) return;
  const Finished& end = *video.finished;
  if (!end.task.empty()) work.task = end.task;
  if (end.width > 0) work.width = end.width;
  if (end.height > 0) work.height = end.height;
  if (end.num_frames > 0) work.num_frames = end.num_frames;
  if (end.steps > 0) work.steps = end.steps;
  if (end.fps > 0) work.fps = end.fps;
}

void fill_output(OutputInfo& output, const JobFacts& facts, size_t index) {
  const VideoLog& video = facts.watched.videos[index];
  if (video.finished) {
    output.sha256 = video.finished->video_sha256;
    if (video.finished->num_frames > 0) output.frames = video.finished->num_frames;
  }
  output.size_bytes = absent<uint64_t>("no_file");
  if (index >= facts.videos.size() || facts.videos[index].empty()) return;
  std::error_code missing;
  const uint64_t size = std::filesystem::file_size(facts.videos[index], missing);
  if (missing) return;
  output.file = facts.videos[index].lexically_relative(facts.context.output).generic_string();
  output.size_bytes = measured(size, "file");
}

EngineInfo describe_engine(const JobFacts& facts, const VideoLog& video) {
  EngineInfo engine;
  const bool native = facts.context.protocol == EngineProtocol::kNative;
  engine.kind = native ? EngineKind::kNative : EngineKind::kExternal;
  engine.name = native ? "wanbench" : std::filesystem::path(facts.spawn.argv.front()).filename().string();
  engine.device = facts.job.planned->details.request.device;
  engine.command = facts.spawn.argv;
  engine.env = facts.spawn.environment;
  engine.marker_source = facts.marker_source;
  engine.versions = video.versions;
  engine.facts = video.facts;
  for (const auto& [key, value] : facts.context.facts) engine.facts[key] = value;
  for (const auto& [key, value] : facts.preparation.facts) engine.facts[key] = value;
  const measure::Samples& samples = facts.watched.samples;
  if (!samples.counter_names.empty()) engine.facts["counters"] = samples.counter_names;
  if (!samples.activity_reason.empty()) engine.facts["counters_not_read"] = samples.activity_reason;
  engine.facts["monitor_cpu_ms"] = fmt::format("{:.1f}", double(facts.watched.samples.sampler_cpu_ns) * 1e-6);
  return engine;
}

/// How well the engine's device clock was mapped to the host's, by its own ties before and after the video.
Measured<int64_t> clock_value(const VideoLog& video, int64_t ClockTied::*member) {
  return video.clock ? measured((*video.clock).*member, "device_event") : absent<int64_t>("not_reported_by_the_engine");
}

/// What the engine decided, or why that is not known.
void fill_execution(RunRecord& record, const JobFacts& facts, const VideoLog& video) {
  const bool native = facts.context.protocol == EngineProtocol::kNative;
  const std::string why_not = native ? "the run ended before it was decided" : "external_program";
  record.execution = video.decided ? measured(video.decided->execution, "engine") : absent<Execution>(why_not);
  const bool on_card = facts.gpu != nullptr;
  record.predicted_peak_bytes = video.decided && on_card ? measured(video.decided->predicted_peak_bytes, "engine")
                                                         : absent<uint64_t>(on_card ? why_not : "no_device_memory");
  const std::string why_no_forwards = native ? "the run ended before its steps did" : why_not;
  const bool are_known = video.finished && video.finished->forwards;
  record.forwards = are_known ? measured(*video.finished->forwards, "engine") : absent<ForwardCounts>(why_no_forwards);
  if (video.decided) record.workload.offload = offload_word(video.decided->execution);
}

/// What `selftest overhead` found, where it was found on this card with the counters of this run.
Measured<double> overhead_of(const JobFacts& facts, const measure::Samples& samples) {
  if (!facts.context.overhead) return absent<double>("not_measured");
  const OverheadResult& found = *facts.context.overhead;
  if (found.gpu_uuid != (facts.gpu != nullptr ? facts.gpu->facts().uuid : ""))
    return absent<double>("measured_on_another_device");
  if (found.counters != measure::activity_of(samples).source) return absent<double>("measured_with_other_counters");
  return measured(found.percent, "selftest");
}

/// The warm process's first video is told apart by its index, a warm-up process by its job.
bool counts(const Job& job, size_t index) { return !(job.scope == RunScope::kWarm && index == 0); }

/// What the program said that could not be taken, each a flag.
void add_pipe_flags(RunRecord& record, const Watched& watched, const std::string& spans_left_out) {
  if (!spans_left_out.empty()) record.validity.push_back({"times_outside_the_run", spans_left_out, "", true});
  if (!watched.left_out.empty())
    record.validity.push_back({"pipe_overrun", "the program said more than is taken: " + watched.left_out, "", true});
  if (!watched.broken_line.empty()) record.validity.push_back({kUnreadableFlag, watched.broken_line, "", false});
}

/// Of the job's case; the video that does not count has the first one's, should it fail.
int64_t repeat_of(const Job& job, size_t index) {
  const size_t skipped = job.scope == RunScope::kWarm ? 1 : 0;
  return job.first_repeat + static_cast<int64_t>(index > skipped ? index - skipped : 0);
}

void add_kernels(RunRecord& record, const VideoLog& video) {
  const std::string why_none = "the run ended before its kernels were said";
  record.kernels = video.kernels ? video.kernels->trace : KernelTrace{"", why_none, 0, {}};
  record.validity.push_back({kTracedFlag, "each kernel was watched, which slows a run", "", true});
}

/// Above what its class promises a run's stamp is wrong.
void judge_fidelity(RunRecord& record) {
  const FidelityRecord& fidelity = *record.fidelity;
  const StepDistance* worst = worst_replayed(fidelity.comparison);
  if (record.status != RunStatus::kOk || worst == nullptr || !fidelity.velocity_bound ||
      *worst->relative_l2.value <= *fidelity.velocity_bound)
    return;
  record.status = RunStatus::kQualityFail;
  ErrorFacts error;
  error.message = fmt::format("step {}, begun with the latent of {}, is {:.3g} % off in its velocity: {} allows {:g} %",
                              worst->step + 1, fidelity.comparison.reference, 100 * *worst->relative_l2.value,
                              to_string(record.workload.precision_class), 100 * *fidelity.velocity_bound);
  error.advice = "what was switched on is not what the class says: see docs/method.md, replayed velocity";
  error.requested_bytes = error.free_bytes = absent<uint64_t>("not_a_question_of_memory");
  error.exit_code = error.signal = absent<int64_t>("the process ended well");
  record.error = error;
}

void add_fidelity(RunRecord& record, const JobFacts& facts) {
  record.fidelity = facts.watched.fidelity;
  if (!record.fidelity) {
    record.fidelity = FidelityRecord{};
    FidelityComparison& comparison = record.fidelity->comparison;
    const FidelityTask& task = *facts.job.fidelity;
    comparison.reference = task.pair.reference.name;
    comparison.test = task.pair.test.name;
    comparison.reference_key = task.reference_key;
    comparison.reference_class = task.pair.reference.precision_class;
    comparison.reference_recipe = task.pair.reference.recipe;
    comparison.why_no_scores = comparison.why_no_latents = comparison.why_not_replayed =
        record.fidelity->why_no_noise_floor = "the run ended before it was found out";
  }
  record.validity.push_back(
      {kFidelityFlag, "it was made to be compared: its latents were kept, which slows it", "", true});
  judge_fidelity(record);
}

/// All that is known of a video without having seen its times.
RunRecord named_record(const JobFacts& facts, const VideoLog& video, int64_t repeat) {
  const PlannedCase& planned = *facts.job.planned;
  RunRecord record;
  record.created_utc = facts.created_utc;
  record.tool = describe_tool(facts.context.program_sha256);
  record.workload = planned.workload;
  record.workload.page_cache = facts.preparation.page_cache;
  fill_workload(record.workload, video, facts.job.scope);
  record.run_case = {facts.context.suite,
                     facts.context.suite_version,
                     planned.details.name,
                     planned.details.aliases,
                     repeat,
                     "",
                     facts.job.warmup,
                     planned.key};
  fill_execution(record, facts, video);
  record.engine = describe_engine(facts, video);
  record.system = facts.context.system;
  record.system.weights_storage = measure::storage_of(planned.details.request.weights().title());
  const measure::Samples& samples = facts.watched.samples;
  if (facts.gpu != nullptr)
    record.system.gpus = {measure::describe_gpu(facts.gpu->facts(),
                                                samples.gpu.empty() ? nullptr : &samples.gpu[samples.gpu.size() / 2])};
  record.overhead_percent = overhead_of(facts, samples);
  return record;
}

/// Of a repeat that the process did not come to: it has a reason and no times.
RunRecord missing_record(const JobFacts& facts, int64_t repeat) {
  VideoLog none;
  none.decided = facts.watched.videos.front().decided;
  none.versions = facts.watched.videos.front().versions;
  RunRecord record = named_record(facts, none, repeat);
  const bool ended_well = facts.ending.status == RunStatus::kOk;
  record.status = ended_well ? RunStatus::kCrash : facts.ending.status;
  ErrorFacts error;
  error.message = fmt::format("not made: the process ended in video {} of {}: {}", facts.watched.videos.size(),
                              facts.job.process_videos(),
                              facts.ending.error ? facts.ending.error->message : "it said that all was well");
  const std::string reason = "not_begun";
  error.requested_bytes = absent<uint64_t>(reason);
  error.free_bytes = absent<uint64_t>(reason);
  error.exit_code = absent<int64_t>(reason);
  error.signal = absent<int64_t>(reason);
  record.error = error;
  record.clock.origin_monotonic_ns = facts.watched.total.end_ns;
  record.clock.gpu_residual_ns = absent<int64_t>(reason);
  record.clock.gpu_uncertainty_ns = absent<int64_t>(reason);
  record.output.size_bytes = absent<uint64_t>("no_file");
  return record;
}

RunRecord build_record(const JobFacts& facts, size_t index) {
  const VideoLog& video = facts.watched.videos[index];
  RunRecord record = named_record(facts, video, repeat_of(facts.job, index));
  const measure::Samples& samples = facts.watched.samples;
  // What a fidelity's other videos end in is its end.
  if (index + 1 == facts.watched.videos.size() || facts.job.fidelity != nullptr) {
    record.status = facts.ending.status;
    record.error = facts.ending.error;
  }
  std::string spans_left_out;
  const measure::RunTimeline timeline = timeline_of(facts, index, spans_left_out);
  measure::Account account = measure::account(timeline, samples);
  record.stages = std::move(account.stages);
  record.integrals = std::move(account.integrals);
  record.clock.origin_monotonic_ns = timeline.total.begin_ns;
  record.clock.gpu_residual_ns = clock_value(video, &ClockTied::residual_ns);
  record.clock.gpu_uncertainty_ns = clock_value(video, &ClockTied::uncertainty_ns);
  fill_output(record.output, facts, index);
  const std::optional<Execution>& execution = record.execution.value;
  const measure::ValidityInput input{samples,
                                     record.stages,
                                     facts.probe,
                                     timeline.total,
                                     double(facts.context.system.cores_allowed.value.value_or(1)),
                                     facts.gpu != nullptr,
                                     facts.gpu != nullptr ? facts.gpu->facts().pcie_width_max : std::nullopt,
                                     record.integrals,
                                     execution ? execution->gpu_memory_limit_bytes : std::nullopt,
                                     step_work(record.forwards)};
  record.validity = measure::judge(input);
  add_pipe_flags(record, facts.watched, spans_left_out);
  if (const auto remark = record.engine.facts.find(flags::kOtherCurveFact); remark != record.engine.facts.end())
    record.validity.push_back({"other_cache_curve", remark->second, "", false});
  if (facts.job.traced) add_kernels(record, video);
  if (facts.job.fidelity != nullptr) add_fidelity(record, facts);
  return record;
}

}  // namespace

ToolInfo describe_tool(const std::string& program_sha256) {
  const BuildInfo& build = build_info();
  return {build.version, build.revision, build.dirty, build.compiler + " " + build.build_type,
          build.cuda,    program_sha256};
}

std::vector<RunRecord> build_records(const JobFacts& facts) {
  if (facts.job.fidelity != nullptr) return {build_record(facts, 0)};
  std::vector<RunRecord> records;
  const size_t last = facts.watched.videos.size() - 1;
  for (size_t index = 0; index <= last; ++index) {
    const bool failed_here = index == last && facts.ending.status != RunStatus::kOk;
    if (!counts(facts.job, index) && !failed_here) continue;
    if (!facts.watched.videos[index].finished && !failed_here && facts.context.protocol == EngineProtocol::kNative)
      continue;
    records.push_back(build_record(facts, index));
  }
  // A warm process that ends early leaves no repeat unnamed. A command says nothing of its videos.
  if (facts.job.warmup || facts.context.protocol != EngineProtocol::kNative) return records;
  for (int64_t repeat = facts.job.first_repeat; repeat < facts.job.first_repeat + facts.job.videos; ++repeat)
    if (std::none_of(records.begin(), records.end(),
                     [&](const RunRecord& record) { return record.run_case.repeat == repeat; }))
      records.push_back(missing_record(facts, repeat));
  return records;
}

RunRecord judged_run(const RunRecord& made, const JobFacts& facts) {
  RunRecord record = made;
  record.id.clear();
  record.created_utc = facts.created_utc;
  record.run_case.repeat = 0;
  record.status = facts.ending.status;
  record.error = facts.ending.error;
  record.stages.clear();
  record.integrals.clear();
  record.validity.clear();
  record.samples.reset();
  record.spans_file.clear();
  record.trace_file.clear();
  add_fidelity(record, facts);
  return record;
}

}  // namespace wan::suite
