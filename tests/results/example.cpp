// The example record of the results tests and of the golden file.
#include "example.h"

namespace wan {
namespace {

StageRecord example_step() {
  StageRecord stage;
  stage.id = "Step_0_Inference";
  stage.parent = "Total_Execution";
  stage.name = "Step_0_Inference";
  stage.role = StageRole::kStepInference;
  stage.index = 0;
  stage.expert = "high_noise";
  stage.wall_ns = 5'200'000'000;
  stage.begin_ns = measured<int64_t>(1'000'000'000, "clock");
  stage.gpu_ns = measured<int64_t>(5'199'000'000, "cuda_event");
  stage.exposed_copy_ns = measured<int64_t>(0, "engine");
  stage.hidden_copy_ns = measured<int64_t>(900'000'000, "device_event");
  stage.moved_bytes = measured<uint64_t>(123, "engine");
  stage.flops = measured(1.6e15, "engine");
  stage.cpu_core_ns = measured<int64_t>(5'300'000'000, "proc");
  stage.other_cpu_core_ns = measured<int64_t>(100, "proc");
  stage.read_bytes = measured<uint64_t>(0, "proc");
  stage.host_memory.process_peak_bytes = measured<uint64_t>(20ull << 30, "proc");
  stage.host_memory.pinned_peak_bytes = absent<uint64_t>("not_reported");
  stage.device_memory.process_peak_bytes = measured<uint64_t>(33'500'000'000, "nvml");
  stage.device_memory.component_bytes = {{"weights.dit.bf16", 10'000'000'000}};
  stage.counters.sm_active = {99.5, "", "cupti_pm", 52, 0.99};
  stage.counters.dram_active = {std::nullopt, "not_permitted", "", 0, 0};
  stage.sm_clock_mhz = measured(Spread{1515, 1600, 1980}, "nvml");
  stage.power_mean_w = measured(670.5, "nvml");
  stage.energy_j = measured(3486.6, "nvml");
  stage.throttled_percent = measured(0.0, "nvml");
  stage.printed = {{"Time (s)", "5.20"}};
  stage.flags = {"drift"};
  return stage;
}

Workload example_workload() {
  Workload workload;
  workload.task = "ti2v";
  workload.model = "ti2v-5B";
  workload.weights = {{"dit", "model-1.safetensors", 42, "abc", "size+head+tail"}};
  workload.width = 1280;
  workload.height = 704;
  workload.num_frames = 161;
  workload.fps = 24;
  workload.recipe = "lightx2v-4";
  workload.split_step = 2;
  workload.steps = 5;
  workload.solver = "unipc";
  workload.shift = 5.0;
  workload.guidance_low = 5.0;
  workload.seed = 42;
  workload.initial_latent_sha256 = "1234";
  workload.last_image_sha256 = "5678";
  workload.conditioning = {{"audio", "9abc"}, {"frames_per_clip", "48"}};
  workload.prompt = "two cats \"box\"\n";
  workload.negative_prompt = "blurry";
  workload.precision_class = PrecisionClass::kRounding;
  workload.dtypes = {{"dit", "bf16"}, {"vae", "fp32"}};
  workload.offload = "none";
  workload.text_encoder_device = "cuda";
  workload.scope = RunScope::kWarm;
  workload.page_cache = PageCache::kHot;
  return workload;
}

Execution example_execution() {
  Execution execution;
  execution.device = "NVIDIA H100 80GB HBM3";
  execution.residency = "stream";
  execution.computed = {{"dit", "bf16"}, {"text_encoder", "bf16"}, {"vae", "fp32"}};
  execution.stored = {{"dit", "BF16+F32"}, {"text_encoder", "BF16"}, {"vae", "F32"}};
  execution.overlap = "on";
  execution.vae_chunk = 1;
  execution.vae_slice = 1;
  execution.text_encoder_device = "cuda";
  execution.kernel_table = "0123456789abcdef";
  execution.solver = "unipc";
  execution.timesteps = {999, 937.5};
  execution.low_noise_from_step = 1;
  execution.cpu_threads = 16;
  execution.environment = {{"OMP_NUM_THREADS", "16"}};
  execution.gpu_memory_limit_bytes = uint64_t{12} << 30;
  execution.step_cache = StepCacheUse{"magcache", 0.06, 2, 0.25, "c0ffee", 50};
  execution.cfg_gate_from_step = 1;
  execution.quantized = QuantizedUse{"qkv,ffn", 2, 1};
  execution.ranks = 4;
  execution.parallel = "cfg=2,ulysses=2";
  return execution;
}

}  // namespace

ForwardCounts example_forwards() { return {measured<int64_t>(2, "engine"), 2, 2, "Cr", "Cg", 2.5e15, 2.25e15}; }

FidelityRecord example_fidelity() {
  FidelityComparison comparison;
  comparison.reference = "bf16";
  comparison.test = "01_Speed";
  comparison.reference_key = "4567cdef";
  comparison.reference_class = PrecisionClass::kRounding;
  comparison.reference_recipe = "official";
  comparison.reference_sha256 = "eeee";
  comparison.test_sha256 = "ffff";
  comparison.frames = 161;
  comparison.scores = {
      {"psnr", measured(31.5, "frames"), measured(28.25, "frames"), 160},
      {"ms_ssim", absent<double>("smaller_than_176_pixels"), absent<double>("smaller_than_176_pixels"), std::nullopt}};
  comparison.latents = {{0, measured(0.01, "dump"), measured(0.9999, "dump")}};
  comparison.replayed = {{0, measured(0.02, "replay"), measured(0.9998, "replay")},
                         {1, measured(0.03, "replay"), measured(0.9997, "replay")}};
  FidelityComparison floor = comparison;
  floor.reference = "fp32";
  floor.test = "bf16";
  floor.reference_class = PrecisionClass::kExact;
  FidelityComparison other;
  other.reference = "bf16";
  other.test = "bf16, no kernel table";
  other.identical = other.includes_codec = true;
  other.why_no_scores = other.why_no_latents = other.why_not_replayed = "not_asked_for";
  return {comparison, 0.06, {floor, other}, "", FidelityStill{160, "a.png", "b.png", "c.png"}};
}

RunRecord example_record() {
  RunRecord record;
  record.created_utc = "2026-11-24T10:50:00.123Z";
  record.tool = {"0.1.0", "abcdef", true, "gcc 12 Release", "13.0", "89ab"};
  record.workload = example_workload();
  record.run_case = {"seed", "1", "01_Speed", {"01_Speed_Preview_480p"}, 3, "A", false, "0123abcd"};
  record.forwards = measured(example_forwards(), "engine");
  record.engine.kind = EngineKind::kNative;
  record.engine.name = "wanbench";
  record.engine.device = "cuda:0";
  record.engine.command = {"wanbench", "run"};
  record.engine.marker_source = "engine";
  record.engine.versions = {{"cudnn", "9.19"}};
  record.execution = measured(example_execution(), "engine");
  record.predicted_peak_bytes = measured<uint64_t>(33'000'000'000, "engine");
  record.system.host = "box";
  record.system.cpu_model = "Example CPU";
  record.system.cores_allowed = measured<int64_t>(16, "affinity");
  GpuInfo gpu;
  gpu.uuid = "GPU-0";
  gpu.name = "NVIDIA H100 80GB HBM3";
  gpu.sm_count = measured<int64_t>(132, "cuda");
  gpu.memory_bytes = measured<uint64_t>(85'029'158'912, "cuda");
  record.system.gpus = {gpu};
  record.status = RunStatus::kOutOfMemory;
  record.error = ErrorFacts{};
  record.error->stage = "VAE_Decoding";
  record.error->requested_bytes = measured<uint64_t>(1ull << 40, "engine");
  record.error->free_bytes = measured<uint64_t>(1ull << 30, "engine");
  StageRecord total;
  total.id = total.name = "Total_Execution";
  total.kind = StageKind::kParent;
  total.wall_ns = 6'200'000'000;
  record.stages = {total, example_step()};
  record.output.file = "01.mp4";
  record.output.sha256 = "ffff";
  record.output.frames = 161;
  record.output.quality = {{"psnr_db", measured(45.0, "engine"), "golden", 40.0, true}};
  record.validity = {{"foreign_gpu_process", "pid 7", "", true}};
  record.overhead_percent = measured(0.1, "selftest");
  record.integrals = {{"energy_j", 3480.5, 3486.6}};
  record.clock.origin_monotonic_ns = 77;
  record.clock.gpu_uncertainty_ns = measured<int64_t>(400, "device_event");
  record.samples = SamplesReference{"01.samples", "columns 1", 1000, 100.0};
  record.trace_file = "01.trace.json";
  record.imported =
      ImportInfo{"report.md",        "00",
                 "seed-markdown",    {{"Total Duration", "6.20 s"}},
                 {"No bottlenecks"}, {{"double_counted_load", "Total_Execution", "counted twice", 2.0, 1.0, "%s"}}};
  record.kernels = KernelTrace{"cupti_activity",
                               "one table missing",
                               3,
                               {{"Step_*",
                                 5,
                                 100,
                                 20,
                                 {{KernelKind::kGemm, 7, 90, 80}},
                                 {{"nvjet_sm90_tst_128x256", KernelKind::kGemm, 7, 90}},
                                 2,
                                 4}},
                               "3 without a time"};
  record.fidelity = example_fidelity();
  return record;
}

}  // namespace wan
