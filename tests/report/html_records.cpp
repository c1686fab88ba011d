#include "html_records.h"

#include <algorithm>

#include <fmt/format.h>

#include "results/json.h"

namespace wan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr int kSteps = 5;

/// Builds the stages of one run, each after the one before.
class Stages {
 public:
  explicit Stages(double scale) : scale_(scale) {}

  StageRecord& leaf(const std::string& name, double seconds, int64_t index = -1) {
    StageRecord stage;
    stage.id = stage.name = name;
    stage.role = stage_from_name(stage.name).role;
    stage.parent = "Total_Execution";
    stage.index = index;
    stage.wall_ns = static_cast<int64_t>(seconds * scale_ * 1e9);
    stage.begin_ns = measured(at_ns_, "clock");
    at_ns_ += stage.wall_ns;
    stage.cpu_core_ns = measured(stage.wall_ns, "proc");
    stage.host_memory.process_peak_bytes = measured(9000 * kMiB, "proc");
    stages_.push_back(stage);
    return stages_.back();
  }

  void part(const StageRecord& of, const std::string& name, StageKind kind, double from, double to) {
    StageRecord stage;
    stage.id = of.id + "/" + name;
    stage.name = name;
    stage.role = of.role;
    stage.parent = of.id;
    stage.index = of.index;
    stage.kind = kind;
    const auto at = [&](double share) { return static_cast<int64_t>(share * static_cast<double>(of.wall_ns)); };
    stage.begin_ns = measured(*of.begin_ns.value + at(from), "cuda_event");
    stage.wall_ns = at(to) - at(from);
    if (kind == StageKind::kHidden) stage.moved_bytes = measured(500 * kMiB, "engine");
    stages_.push_back(stage);
  }

  std::vector<StageRecord> finish(double rest_s) {
    StageRecord total;
    total.id = total.name = "Total_Execution";
    total.kind = StageKind::kParent;
    total.wall_ns = at_ns_ + static_cast<int64_t>(rest_s * 1e9);
    total.begin_ns = measured<int64_t>(0, "clock");
    total.energy_j = measured(static_cast<double>(total.wall_ns) * 1e-9 * 450, "nvml_energy_counter");
    total.counters.sm_active = {71.5, "", "nvml_gpm", 300, 1.0};
    total.cpu_core_ns = measured(total.wall_ns, "proc");
    stages_.push_back(total);
    return stages_;
  }

 private:
  double scale_;
  int64_t at_ns_ = 0;
  std::vector<StageRecord> stages_;
};

/// Counters of a stage that computes on the card.
void on_card(StageRecord& stage, double tflops, double sm, double tensor, double dram, double power_w) {
  const double seconds = static_cast<double>(stage.wall_ns) * 1e-9;
  stage.gpu_ns = measured(stage.wall_ns - stage.wall_ns / 200, "cuda_event");
  stage.flops = measured(tflops * 1e12 * seconds, "engine");
  stage.counters.sm_active = {sm, "", "nvml_gpm", 20, 1.0};
  stage.counters.tensor_active = {tensor, "", "nvml_gpm", 20, 1.0};
  stage.counters.dram_active = {dram, "", "nvml_gpm", 20, 1.0};
  stage.sm_clock_mhz = measured(Spread{1590, 1665, 1980}, "nvml");
  stage.gpu_temperature_c = measured(Spread{55, 61, 64}, "nvml");
  stage.power_mean_w = measured(power_w, "nvml");
  stage.energy_j = measured(power_w * seconds, "nvml_energy_counter");
  stage.device_memory.process_peak_bytes = measured(24'500 * kMiB, "nvml");
  stage.device_memory.pool_peak_bytes = measured(23'600 * kMiB, "engine");
  stage.device_memory.component_bytes = {{"weights.dit.bf16", 9'600 * kMiB},
                                         {"activations", 8'200 * kMiB},
                                         {"weights.vae", 1'400 * kMiB},
                                         {"workspace", 900 * kMiB}};
}

std::vector<StageRecord> stages_of(RunScope scope, double scale) {
  Stages stages(scale);
  if (scope == RunScope::kCold) stages.leaf("Model_Initialization", 6.4).read_bytes = measured<uint64_t>(0, "proc");
  stages.leaf("TI2V_Preprocess", 0.02);
  StageRecord& text = stages.leaf("T5_Encoding", 0.9);
  on_card(text, 40, 52, 18, 44, 310);
  for (int i = 0; i < kSteps; ++i) {
    StageRecord& loading = stages.leaf(fmt::format("Step_{}_Loading", i), i == 0 ? 0.15 : 0, i);
    loading.counters.sm_active = {std::nullopt, "below_resolution", "", 0, 0};
    StageRecord& step = stages.leaf(fmt::format("Step_{}_Inference", i), 2.9 + 0.02 * (i % 3), i);
    on_card(step, 520, 98.5, 61, 38, 668);
    const StageRecord copy = step;  // adding parts moves the stages
    stages.part(copy, "cond", StageKind::kComponent, 0, 0.495);
    stages.part(copy, "uncond", StageKind::kComponent, 0.495, 0.99);
    stages.part(copy, "solver", StageKind::kComponent, 0.99, 1);
    if (i == 0) stages.part(copy, "h2d", StageKind::kHidden, 0.1, 0.6);
    if (i == 0) stages.part(copy, "h2d", StageKind::kHidden, 0.4, 0.8);
  }
  StageRecord& decode = stages.leaf("VAE_Decoding", 4.1);
  on_card(decode, 210, 93, 35, 71, 540);
  stages.leaf("Output_Encoding", 0.35);
  return stages.finish(0.04);
}

Workload workload_of(RunScope scope) {
  Workload work;
  work.task = "ti2v";
  work.model = "ti2v-5B";
  work.width = 1280;
  work.height = 704;
  work.num_frames = 121;
  work.fps = 24;
  work.steps = kSteps;
  work.solver = "unipc";
  work.shift = 5.0;
  work.guidance_low = 5.0;
  work.seed = 42;
  work.prompt = kHostileText;
  work.precision_class = PrecisionClass::kRounding;
  work.dtypes = {{"dit", "bf16"}, {"vae", "bf16"}};
  work.offload = "none";
  work.text_encoder_device = "cuda";
  work.scope = scope;
  return work;
}

RunRecord base_run(const std::string& name, RunScope scope, int64_t repeat) {
  RunRecord record;
  record.created_utc = fmt::format("2026-01-01T00:0{}:00.000Z", repeat);
  record.tool = {"0.1.0", "abcdef", false, "gcc 12 Release", "13.0"};
  record.workload = workload_of(scope);
  record.run_case = {"hand-made", "1", name, {}, repeat, "", false};
  record.engine.name = "wanbench";
  record.engine.device = "cuda:0";
  record.engine.command = {"wanbench", "case", "--request", kHostileText};
  record.engine.marker_source = "engine";
  record.system.host = "box";
  record.system.cpu_model = "Example CPU";
  record.system.cores_allowed = measured<int64_t>(16, "affinity");
  GpuInfo gpu;
  gpu.uuid = "GPU-0";
  gpu.name = "NVIDIA H100 80GB HBM3";
  gpu.driver = "580.1";
  gpu.memory_bytes = measured<uint64_t>(81'079 * kMiB, "cuda");
  gpu.power_limit_w = measured(700.0, "nvml");
  record.system.gpus = {gpu};
  record.overhead_percent = measured(0.1, "selftest");
  record.clock.gpu_residual_ns = measured<int64_t>(1200, "cuda_event");
  return record;
}

/// Ten percent slower than the others, with what ran on the card.
RunRecord traced_run() {
  RunRecord record = base_run("01_Speed", RunScope::kCold, 0);
  record.created_utc = "2026-01-01T00:30:00.000Z";
  record.stages = stages_of(RunScope::kCold, 1.1);
  record.validity = {{"traced", "each kernel was watched, which slows a run", "", true}};
  const KernelTable steps{"Step_*",
                          5,
                          16'000'000'000,
                          160'000'000,
                          {{KernelKind::kGemm, 3000, 5'000'000'000, 5'000'000'000},
                           {KernelKind::kAttention, 300, 9'000'000'000, 9'000'000'000},
                           {KernelKind::kElementwise, 6000, 1'700'000'000, 1'700'000'000},
                           {KernelKind::kCopy, 40, 900'000'000, 140'000'000}},
                          {{"attention_kernel<(Pass)0>", KernelKind::kAttention, 300, 9'000'000'000},
                           {kHostileText, KernelKind::kGemm, 3000, 5'000'000'000}},
                          6040,
                          2'600'000'000};
  const KernelTable decoding{
      "VAE_Decoding",
      1,
      4'000'000'000,
      1'000'000'000,
      {{KernelKind::kConvolution, 900, 3'000'000'000, 3'000'000'000}},
      {{"conv_kernel<Plan<__nv_bfloat16, 128, 160>>", KernelKind::kConvolution, 900, 3'000'000'000}},
      0,
      0};
  record.kernels = KernelTrace{"cupti_activity", "", 0, {steps, decoding}};
  return record;
}

RunRecord failed_run() {
  RunRecord record = base_run("02_Large", RunScope::kCold, 0);
  record.created_utc = "2026-01-01T01:00:00.000Z";
  record.workload.width = 3840;
  record.workload.height = 2176;
  record.status = RunStatus::kOutOfMemory;
  record.error = ErrorFacts{};
  record.error->stage = "VAE_Decoding";
  record.error->message = kHostileText;
  record.error->advice = "--frames 61 would fit";
  record.error->requested_bytes = measured<uint64_t>(90'000 * kMiB, "engine");
  record.error->free_bytes = measured<uint64_t>(11'000 * kMiB, "engine");
  record.error->stderr_tail = kHostileText;
  return record;
}

}  // namespace

std::vector<RunRecord> report_records() {
  std::vector<RunRecord> records;
  const double kScales[] = {1.0, 1.004, 0.997};
  for (const RunScope scope : {RunScope::kCold, RunScope::kWarm}) {
    for (int64_t repeat = 0; repeat < 3; ++repeat) {
      RunRecord record = base_run("01_Speed", scope, repeat);
      record.stages = stages_of(scope, kScales[repeat]);
      if (repeat == 1) record.validity = {{"power_cap", "software power cap in 40 % of the steps", "", false}};
      records.push_back(std::move(record));
    }
  }
  records.push_back(traced_run());
  records.push_back(failed_run());
  for (RunRecord& record : records) seal(record);
  return records;
}

SampleSet report_samples() {
  SampleSet set;
  set.period_ms = 100;
  SampleSeries power{"power_w", {}, {}, {}}, sm{"sm_active_percent", {}, {}, {}};
  for (int64_t i = 0; i < 5; ++i) {
    const int64_t at_ns = 10'000'000'000 + i * 100'000'000;
    power.begin_ns.push_back(at_ns);
    power.end_ns.push_back(at_ns);
    power.values.push_back(600.0 + static_cast<double>(i));
    sm.begin_ns.push_back(at_ns);
    sm.end_ns.push_back(at_ns + 100'000'000);
    sm.values.push_back(97.0);
  }
  set.series = {power, sm};
  return set;
}

KernelEvents report_kernel_events() {
  constexpr int64_t kBegin = 15'000'000'000;  // in the third step of stages_of(kCold, 1.1)
  KernelEvents events;
  events.stages = "Step_2";
  events.names = {{"attention_kernel<(Pass)0>", KernelKind::kAttention},
                  {kHostileText, KernelKind::kGemm},
                  {"copy, pinned host to device", KernelKind::kCopy}};
  events.launches = {{{132, 1, 1}, {384, 1, 1}, 168, 215'040}, {{24, 5, 1}, {128, 2, 1}, 64, 0}};
  events.call_names = {"cudaLaunchKernelExC", "cudaMemcpyAsync", "cudaEventSynchronize"};
  events.threads = {{4711, "wanbench"}, {4712, ""}};
  events.device = {{kBegin + 5'000, kBegin + 905'000, 0, 0, 7, 100, 0},
                   {kBegin + 9'000, kBegin + 409'000, 2, {}, 13, 101, 20'000'000},
                   {kBegin + 900'000, kBegin + 1'500'000, 1, 1, 7, 102, 0},
                   {kBegin + 1'600'000, kBegin + 1'700'000, 0, 0, 7, 99, 0}};
  events.host = {{kBegin, kBegin + 4'000, 0, 0, 100},
                 {kBegin + 1'000, kBegin + 6'000, 1, 1, 101},
                 {kBegin + 4'000, kBegin + 8'000, 0, 0, 102},
                 {kBegin + 8'000, kBegin + 1'800'000, 2, 0, 103}};
  return events;
}

RunRecord imported_record() {
  RunRecord record = base_run("01_Speed", RunScope::kCold, 0);
  record.created_utc.clear();
  record.system.gpus[0].name = "L40S";
  record.system.gpus[0].memory_bytes = absent<uint64_t>("not_in_source");
  record.engine = {};
  record.engine.kind = EngineKind::kImported;
  record.engine.name = "another program";
  record.engine.device = "cuda:0";
  record.engine.marker_source = "original";
  record.overhead_percent = absent<double>("not_in_source");
  record.stages = stages_of(RunScope::kCold, 2.2);
  for (StageRecord& stage : record.stages) {
    stage.begin_ns = absent<int64_t>("not_in_source");
    stage.printed = {{"Time (s)", fmt::format("{:.2f}", static_cast<double>(stage.wall_ns) * 1e-9)},
                     {"GPU Mem (GB)", "31.27"},
                     {"SM Act (%)", "98.7"}};
  }
  record.imported = ImportInfo{};
  record.imported->file = "report.md";
  record.imported->sha256 = "00ff";
  record.imported->format = "seed-markdown";
  record.imported->printed = {{"card table: Case", "01_Speed"}, {"card table: Time(s)", "60.49"}};
  record.imported->findings = {{"double_counted_load", "Total Compute Load", kHostileText, 18453.0, 9152.0, "%s"}};
  seal(record);
  return record;
}

std::vector<RunRecord> demo_records() {
  std::vector<RunRecord> records;
  for (const std::string name : {"01_Text_To_Video", "02_Half_The_Steps", "03_Image_To_Video"}) {
    RunRecord record = base_run(name, RunScope::kCold, 0);
    record.engine.device = "cpu";
    record.system.gpus.clear();
    record.run_case.suite = "quick";
    record.workload.text_encoder_device = "cpu";
    record.stages = stages_of(RunScope::kCold, 0.1 + 0.01 * static_cast<double>(records.size()));
    for (StageRecord& stage : record.stages) {
      stage.gpu_ns = absent<int64_t>("no_gpu");
      stage.energy_j = absent<double>("no_gpu");
      stage.device_memory = {};
      stage.counters = {};
    }
    record.validity = {{"cpu_interference", "other programs used 1.10 of 2 cores on average, limit 0.50", "", true}};
    seal(record);
    records.push_back(std::move(record));
  }
  return records;
}

std::vector<RunRecord> mlperf_records() {
  std::vector<RunRecord> records;
  const double kNoise[] = {1.0, 1.0004, 0.9997};
  for (const int64_t frames : {81, 77})
    for (int64_t repeat = 0; repeat < 3; ++repeat) {
      RunRecord record = base_run(frames == 81 ? "T2V_A14B_720p" : "T2V_A14B_720p_77", RunScope::kWarm, repeat);
      record.stages = stages_of(RunScope::kWarm, 20 * kNoise[repeat]);
      record.workload.task = "t2v";
      record.workload.model = "t2v-A14B";
      record.workload.height = 720;
      record.workload.num_frames = frames;
      record.workload.steps = 20;
      record.workload.guidance_high = 4;
      record.workload.guidance_low = 3;
      record.workload.dtypes = {{"dit", "bf16"}, {"vae", "fp32"}};
      record.system.gpus[0].name = "NVIDIA H200";
      seal(record);
      records.push_back(std::move(record));
    }
  return records;
}

std::vector<RunRecord> four_card_records() {
  std::vector<RunRecord> records;
  const double kNoise[] = {1.0, 1.0004, 0.9997, 1.0002, 0.9999};
  for (const std::string card : {"NVIDIA H100 80GB HBM3", "NVIDIA H200"})
    for (const RunScope scope : {RunScope::kCold, RunScope::kWarm})
      for (int64_t repeat = 0; repeat < 5; ++repeat) {
        RunRecord record = base_run("01_Speed", scope, repeat);
        record.system.gpus[0].name = card;
        record.stages = stages_of(scope, kNoise[repeat]);
        if (card == "NVIDIA H200") record.stages.back().wall_ns += 4'000'000'000;  // of the host
        seal(record);
        records.push_back(std::move(record));
      }
  for (const std::string card : {"NVIDIA H100 80GB HBM3", "L40S", "RTX PRO 6000 Blackwell Server Edition"}) {
    RunRecord record = imported_record();
    record.system.gpus[0].name = card;
    seal(record);
    records.push_back(std::move(record));
  }
  return records;
}

std::vector<RunRecord> ablation_records() {
  struct Setting {
    const char *name, *stored, *residency, *recipe;
  };
  constexpr Setting kSettings[] = {
      {"bf16_resident", "BF16", "resident", "official"},
      {"bf16_stream", "BF16", "stream", "official"},
      {"bf16_mapped", "BF16", "mapped", "official"},
      {"fp8_resident", "F8_E4M3", "resident", "official"},
      {"fp8_packed", "F8_E4M3", "packed", "official"},
      {"fp8_packed_stream", "F8_E4M3", "packed-stream", "official"},
      {"q8_0_packed", "Q8_0", "packed", "official"},
      {"q4_k_m_packed", "Q4_K", "packed", "official"},
      {"q4_k_m_packed_stream", "Q4_K", "packed-stream", "official"},
      {"lightning_resident", "BF16", "resident", "lightning-4"},
      {"lightning_packed_with_two_adapters_of_rank_64", "Q4_K", "packed", "lightning-4"},
      {"too_large", "BF16", "resident", "official"},
  };
  std::vector<RunRecord> records;
  double scale = 1.6;
  for (const Setting& setting : kSettings) {
    scale -= 0.07;
    for (int64_t repeat = 0; repeat < 2; ++repeat) {
      RunRecord record = base_run(setting.name, RunScope::kCold, repeat);
      record.workload.recipe = setting.recipe;
      record.workload.offload = setting.residency;
      Execution execution;
      execution.residency = setting.residency;
      execution.stored = {{"dit", setting.stored}};
      record.execution = measured(execution, "engine");
      record.stages = stages_of(RunScope::kCold, scale + 0.002 * static_cast<double>(repeat));
      if (std::string_view(setting.name) == "too_large") {
        record.status = RunStatus::kOutOfMemory;
        record.stages.clear();
        record.error = ErrorFacts{};
        record.error->stage = "VAE_Decoding";
        record.error->message = "the card has too little memory";
      }
      seal(record);
      records.push_back(std::move(record));
    }
  }
  return records;
}

namespace {

FidelityScore score(const char* metric, double mean, double worst, int64_t frame) {
  return {metric, measured(mean, "frames"), measured(worst, "frames"), frame};
}

FidelityComparison comparison_of(const std::string& reference, const std::string& test, double psnr, double velocity) {
  FidelityComparison out;
  out.reference = reference;
  out.test = test;
  out.reference_class = PrecisionClass::kRounding;
  out.reference_recipe = "official";
  out.reference_sha256 = "bf16 frames";
  out.test_sha256 = test + " frames";
  out.frames = 121;
  out.scores = {score("psnr", psnr, psnr - 4, 120), score("ssim", 1 - 2 / psnr, 1 - 3 / psnr, 120),
                score("flip", 1 / psnr, 2 / psnr, 64), score("difference_psnr", psnr + 2, psnr - 1, 3)};
  out.scores.push_back(
      {"ms_ssim", absent<double>("smaller_than_176_pixels"), absent<double>("smaller_than_176_pixels"), {}});
  for (int64_t step = 0; step < kSteps; ++step) {
    const double share = static_cast<double>(step + 1) / kSteps;
    out.latents.push_back({step, measured(2 * velocity * share, "dump"), measured(1 - velocity * share / 10, "dump")});
    out.replayed.push_back({step, measured(velocity * share, "replay"), measured(1 - velocity * share / 20, "replay")});
  }
  return out;
}

FidelityRecord fidelity_of(const std::string& test, double psnr, double velocity) {
  FidelityRecord out;
  out.comparison = comparison_of("bf16", test, psnr, velocity);
  out.velocity_bound = 0.06;
  out.noise_floor = {comparison_of("fp32", "bf16", 45.1, 0.0053),
                     comparison_of("bf16", "bf16, no kernel table", 47, 0.002)};
  out.still = FidelityStill{120, "", "", ""};
  for (const auto& [to, name] : {std::pair{&out.still->reference, "reference"}, std::pair{&out.still->test, "test"},
                                 std::pair{&out.still->difference, "difference"}})
    *to = fmt::format("fidelity/{}.bf16/{}.png", test, name);
  if (psnr > 0) return out;
  FidelityComparison& same = out.comparison;
  same = comparison_of("bf16", test, 1, 0);
  same.identical = true;
  same.test_sha256 = same.reference_sha256;
  same.scores = {{"psnr", absent<double>("identical"), absent<double>("identical"), {}}};
  out.still.reset();
  return out;
}

}  // namespace

std::vector<RunRecord> fidelity_records() {
  struct Setting {
    const char* name;
    PrecisionClass precision;
    double scale, psnr, velocity;  // no PSNR: identical; no velocity: nobody judged it
  };
  const Setting kSettings[] = {{"bf16", PrecisionClass::kRounding, 1, -1, -1},
                               {"bf16_streamed", PrecisionClass::kRounding, 1.1, 0, 0},
                               {"fp8_products", PrecisionClass::kDrift, 0.8, 33.2, 0.021},
                               {"int8_all", PrecisionClass::kDrift, 0.7, 29.4, 0.044},
                               {"too_much", PrecisionClass::kDrift, 0.66, 21.3, 0.11},
                               {"cached", PrecisionClass::kAltered, 0.5, -1, -1}};
  std::vector<RunRecord> records;
  for (const Setting& setting : kSettings) {
    for (int64_t repeat = 0; repeat < 3; ++repeat) {
      RunRecord record = base_run(setting.name, RunScope::kCold, repeat);
      record.workload.precision_class = setting.precision;
      record.output.sha256 = std::string(setting.psnr == 0 ? "bf16" : setting.name) + " frames";
      record.stages = stages_of(RunScope::kCold, setting.scale + 0.001 * static_cast<double>(repeat));
      seal(record);
      records.push_back(std::move(record));
    }
    if (setting.velocity < 0) continue;
    RunRecord record = records.back();
    record.id.clear();
    record.created_utc = "2026-01-01T02:00:00.000Z";
    record.validity = {{"fidelity", "it was made to be compared", "", true}};
    record.fidelity = fidelity_of(setting.name, setting.psnr, setting.velocity);
    if (setting.velocity > 0.06) record.status = RunStatus::kQualityFail;
    seal(record);
    records.push_back(std::move(record));
  }
  return records;
}

std::vector<RunRecord> failure_records() {
  std::vector<RunRecord> records(3, failed_run());
  records[1].run_case.name = "03_Larger";
  records[2].run_case.name = "04_Crash";
  records[2].status = RunStatus::kCrash;
  records[2].error->advice.clear();
  for (RunRecord& record : records) seal(record);
  return records;
}

LoadTest load_example() {
  LoadTest test;
  test.url = "http://127.0.0.1:8080";
  test.adapter = "wanbench";
  test.adapter_tried = "run against wanbench serve, in the tests";
  test.model = kHostileText;
  test.settings = {{"size", "832x480"}, {"steps", "4"}};
  test.objective_multiple = 2;
  test.currency = "USD";
  test.idle_power = {{0, 71}, {1, 72}};
  constexpr double kService = 11.5;
  for (const double gap : {kService, 40.0, 20.0, 12.0, 6.0}) {
    LoadLevel& level = test.levels.emplace_back();
    const bool is_closed = gap == kService;
    level.mode = is_closed ? LoadMode::kClosed : LoadMode::kPoisson;
    if (is_closed)
      level.concurrency = 1;
    else
      level.rate = 1 / gap;
    double free_at = 0;
    for (int i = 0; i < 12; ++i) {
      LoadRequest& request = level.requests.emplace_back();
      request.intended_s = request.sent_s = is_closed ? free_at : gap * i * (i % 2 == 0 ? 1 : 0.9);
      request.started_s = std::max(free_at, request.intended_s);
      request.ended_s = free_at = *request.started_s + kService + 0.01 * i;
      request.start_known = StartKnown::kEvents;
      request.expected_s = kService;
      request.energy_j = 6500 + i;
      request.price = 0.0128;
    }
    level.power = {{0, 400}, {free_at + 1, 650}};
  }
  test.levels.back().requests[11].end = LoadEnd::kRefused;
  test.levels.back().requests[11].detail = "429 queue_full";
  return test;
}

}  // namespace wan
