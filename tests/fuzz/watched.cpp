#include "watched.h"

#include "input.h"
#include "measure/machine.h"
#include "measure/series.h"
#include "report.h"
#include "results/json.h"
#include "results/spans.h"
#include "suite/command_stages.h"
#include "suite/record_builder.h"

namespace wan::fuzz {
namespace {

/// A card that has been read already.
class Card final : public measure::Gpu {
 public:
  Card() {
    facts_.name = "NVIDIA H100 80GB HBM3";
    facts_.uuid = "GPU-0";
    facts_.memory_bytes = uint64_t{80} << 30;
  }
  const measure::GpuFacts& facts() const override { return facts_; }
  measure::GpuReading read() override { return {}; }
  std::optional<measure::ActivityReading> read_activity() override { return std::nullopt; }

 private:
  measure::GpuFacts facts_;
};

void read_each_second(measure::Samples& samples, const Start& start) {
  constexpr int64_t kPeriodNs = 1'000'000'000;
  constexpr uint64_t kBytes = uint64_t{1} << 30;
  samples.period_ns = kPeriodNs;
  for (int64_t at_ns = kBeginNs; at_ns <= kEndNs; at_ns += kPeriodNs) {
    measure::TreeReading tree;
    tree.at_ns = at_ns;
    tree.cpu_ns = at_ns - kBeginNs;
    tree.memory.anonymous = kBytes;
    tree.processes = 1;
    samples.tree.push_back(tree);
    measure::MachineReading machine;
    machine.at_ns = at_ns;
    machine.busy_ns = 2 * at_ns;
    machine.total_bytes = 4 * kBytes;
    machine.used_bytes = 2 * kBytes;
    samples.machine.push_back(machine);
    if (!start.on_card) continue;
    measure::GpuReading card;
    card.at_ns = at_ns;
    card.device_bytes = kBytes;
    card.sm_clock_mhz = 1600;
    card.power_w = 400;
    card.energy_mj = static_cast<double>(at_ns) * 400e-6;
    samples.gpu.push_back(card);
    samples.activity.push_back({{at_ns - kPeriodNs, at_ns}, 0.9, 0.5, 0.4, 0.3, 0.9, 10, 10});
  }
  samples.activity_source = start.on_card ? "nvml_gpm" : "";
}

/// As `run` keeps them beside a record.
void keep_beside(const suite::Watched& watched, RunRecord& record, report::Beside& beside) {
  const StageRecord* total = total_stage(record);
  if (total == nullptr) return;
  const int64_t begin_ns = record.clock.origin_monotonic_ns;
  const SampleSet samples = measure::series_of(watched.samples, {begin_ns, begin_ns + total->wall_ns});
  beside.samples[record.id] = read_again([&] { return samples_from_json(samples_to_json(samples), "samples"); });
  const suite::VideoLog& video = watched.videos.front();
  if (!record.kernels || !video.kernels) return;
  KernelEvents events = video.kernels->events;
  shift(events, -begin_ns);
  beside.kernels[record.id] =
      read_again([&] { return kernel_events_from_json(kernel_events_to_json(events), "kernels"); });
}

}  // namespace

suite::Watched watched_process(const Start& start) {
  suite::Watched watched;
  watched.total = {kBeginNs, kEndNs};
  watched.exit.exit_code = start.failed ? 1 : 0;
  watched.exit.cpu_ns = kEndNs - kBeginNs;
  watched.exit.peak_rss_bytes = uint64_t{1} << 30;
  read_each_second(watched.samples, start);
  return watched;
}

Kept records_of(suite::Watched watched, const Start& start, const suite::LogStages& log, Keep keep) {
  static Card card;
  static const suite::PlannedCase planned = [] {
    suite::PlannedCase made;
    made.details.name = "01_Speed";
    return made;
  }();
  static const SystemInfo system = measure::describe_machine();
  const suite::Job job{&planned, start.scope, 0, 1, false, start.traced};
  suite::RunContext context;
  context.protocol = start.protocol;
  context.system = system;
  const suite::Ending ending = suite::classify(watched, start.protocol, 0);
  std::string source = "engine";
  if (start.protocol == suite::EngineProtocol::kCommand) source = cut_command(watched, log, "");
  const measure::IdleProbe probe;
  const suite::Preparation preparation;
  const SpawnOptions spawn{{"program"}, {}, {}, 0};
  Kept kept;
  std::vector<RunRecord> records = suite::build_records({job,
                                                         context,
                                                         watched,
                                                         ending,
                                                         "2026-11-30T00:00:00Z",
                                                         spawn,
                                                         source,
                                                         probe,
                                                         preparation,
                                                         start.on_card ? &card : nullptr,
                                                         {}});
  if (keep == Keep::kInMemory) return {std::move(records), {}};
  for (RunRecord& record : records) {
    const SpanSet spans = sum_up_parts(record.stages);
    seal(record);
    kept.beside.spans[record.id] = read_again([&] { return spans_from_json(spans_to_json(spans), "spans"); });
    keep_beside(watched, record, kept.beside);
    kept.records.push_back(written_and_read(record));
  }
  return kept;
}

}  // namespace wan::fuzz
