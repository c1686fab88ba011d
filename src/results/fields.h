// The one list of the keys of a record, and of the file on what watching costs: writing, reading and redaction all walk
// it. `visit(key, member)` for a key every file of this major version has; `visit.added(key, member)` for one that a
// later minor version added.
#pragma once

#include <concepts>
#include <type_traits>

#include "results/overhead.h"
#include "results/record.h"

namespace wan {

/// R is T or const T: the same list serves writing and reading.
template <class R, class T>
concept Is = std::same_as<std::remove_const_t<R>, T>;

template <class V, Is<WeightsFile> R>
void fields(V& visit, R& r) {
  visit("component", r.component);
  visit("file", r.file);
  visit("size_bytes", r.size_bytes);
  visit("digest", r.digest);
  visit("digest_kind", r.digest_kind);
  visit.added("strength", r.strength);
}

template <class V, Is<Workload> R>
void fields(V& visit, R& r) {
  visit("task", r.task);
  visit("model", r.model);
  visit("weights", r.weights);
  visit("width", r.width);
  visit("height", r.height);
  visit("num_frames", r.num_frames);
  visit("fps", r.fps);
  visit("steps", r.steps);
  visit("solver", r.solver);
  visit("shift", r.shift);
  visit("guidance_low", r.guidance_low);
  visit("guidance_high", r.guidance_high);
  visit("boundary", r.boundary);
  visit("seed", r.seed);
  visit("initial_latent_sha256", r.initial_latent_sha256);
  visit("image_sha256", r.image_sha256);
  visit("prompt", r.prompt);
  visit("negative_prompt", r.negative_prompt);
  visit("prompts_sha256", r.prompts_sha256);
  visit("precision_class", r.precision_class);
  visit("dtypes", r.dtypes);
  visit("offload", r.offload);
  visit("text_encoder_device", r.text_encoder_device);
  visit("approximations", r.approximations);
  visit("scope", r.scope);
  visit("page_cache", r.page_cache);
  visit.added("recipe", r.recipe);
  visit.added("split_step", r.split_step);
  visit.added("last_image_sha256", r.last_image_sha256);
  visit.added("conditioning", r.conditioning);
}

template <class V, Is<CaseInfo> R>
void fields(V& visit, R& r) {
  visit("suite", r.suite);
  visit("suite_version", r.suite_version);
  visit("name", r.name);
  visit("aliases", r.aliases);
  visit("repeat", r.repeat);
  visit("arm", r.arm);
  visit("warmup", r.warmup);
  visit.added("key", r.key);
}

template <class V, Is<ToolInfo> R>
void fields(V& visit, R& r) {
  visit("version", r.version);
  visit("git_commit", r.git_commit);
  visit("git_dirty", r.git_dirty);
  visit("build", r.build);
  visit("cuda", r.cuda);
  visit.added("program_sha256", r.program_sha256);
}

template <class V, Is<EngineInfo> R>
void fields(V& visit, R& r) {
  visit("kind", r.kind);
  visit("name", r.name);
  visit("device", r.device);
  visit("command", r.command);
  visit("env", r.env);
  visit("marker_source", r.marker_source);
  visit("versions", r.versions);
  visit("facts", r.facts);
}

template <class V, Is<StepCacheUse> R>
void fields(V& visit, R& r) {
  visit("method", r.method);
  visit("threshold", r.threshold);
  visit("max_skips", r.max_skips);
  visit("retention", r.retention);
  visit("curve_sha256", r.curve_sha256);
  visit("curve_steps", r.curve_steps);
}

template <class V, Is<QuantizedUse> R>
void fields(V& visit, R& r) {
  visit("products", r.products);
  visit("whole_blocks", r.whole_blocks);
  visit("whole_steps", r.whole_steps);
}

template <class V, Is<ForwardCounts> R>
void fields(V& visit, R& r) {
  visit("planned", r.planned);
  visit("computed", r.computed);
  visit("reused", r.reused);
  visit("cond", r.cond);
  visit("uncond", r.uncond);
  visit("flop_computed", r.flop_computed);
  visit("flop_skipped", r.flop_skipped);
}

template <class V, Is<Execution> R>
void fields(V& visit, R& r) {
  visit("device", r.device);
  visit("device_count", r.device_count);
  visit("residency", r.residency);
  visit("computed", r.computed);
  visit("stored", r.stored);
  visit("overlap", r.overlap);
  visit("vae_chunk", r.vae_chunk);
  visit("vae_slice", r.vae_slice);
  visit("text_encoder_device", r.text_encoder_device);
  visit("kernel_table", r.kernel_table);
  visit("solver", r.solver);
  visit("timesteps", r.timesteps);
  visit("low_noise_from_step", r.low_noise_from_step);
  visit("cpu_threads", r.cpu_threads);
  visit("environment", r.environment);
  visit.added("gpu_memory_limit_bytes", r.gpu_memory_limit_bytes);
  visit.added("step_cache", r.step_cache);
  visit.added("cfg_gate_from_step", r.cfg_gate_from_step);
  visit.added("quantized", r.quantized);
  visit.added("ranks", r.ranks);
  visit.added("parallel", r.parallel);
}

template <class V, Is<GpuInfo> R>
void fields(V& visit, R& r) {
  visit("uuid", r.uuid);
  visit("name", r.name);
  visit("pci_bus_id", r.pci_bus_id);
  visit("compute_capability", r.compute_capability);
  visit("driver", r.driver);
  visit("vbios", r.vbios);
  visit("mig_profile", r.mig_profile);
  visit("ecc", r.ecc);
  visit("sm_count", r.sm_count);
  visit("memory_bytes", r.memory_bytes);
  visit("power_limit_w", r.power_limit_w);
  visit("max_sm_clock_mhz", r.max_sm_clock_mhz);
  visit("max_memory_clock_mhz", r.max_memory_clock_mhz);
  visit("pcie_generation", r.pcie_generation);
  visit("pcie_width", r.pcie_width);
  visit("pcie_max_generation", r.pcie_max_generation);
  visit("pcie_max_width", r.pcie_max_width);
}

template <class V, Is<SystemInfo> R>
void fields(V& visit, R& r) {
  visit("host", r.host);
  visit("cpu_model", r.cpu_model);
  visit("cores_allowed", r.cores_allowed);
  visit("cores_total", r.cores_total);
  visit("numa_nodes", r.numa_nodes);
  visit("ram_bytes", r.ram_bytes);
  visit("memory_limit_bytes", r.memory_limit_bytes);
  visit("cpu_limit_cores", r.cpu_limit_cores);
  visit("kernel", r.kernel);
  visit("container", r.container);
  visit("weights_storage", r.weights_storage);
  visit("gpus", r.gpus);
}

template <class V, Is<ErrorFacts> R>
void fields(V& visit, R& r) {
  visit("stage", r.stage);
  visit("message", r.message);
  visit("advice", r.advice);
  visit("requested_bytes", r.requested_bytes);
  visit("free_bytes", r.free_bytes);
  visit("exit_code", r.exit_code);
  visit("signal", r.signal);
  visit("stderr_tail", r.stderr_tail);
}

template <class V, Is<Counter> R>
void fields(V& visit, R& r) {
  visit("mean_percent", r.mean_percent);
  visit("reason", r.reason);
  visit("source", r.source);
  visit("windows", r.windows);
  visit("coverage", r.coverage);
  visit("pooled_percent", r.pooled_percent);
}

template <class V, Is<Counters> R>
void fields(V& visit, R& r) {
  visit("sm_active", r.sm_active);
  visit("sm_occupancy", r.sm_occupancy);
  visit("tensor_active", r.tensor_active);
  visit("dram_active", r.dram_active);
  visit("gpu_busy", r.gpu_busy);
}

template <class V, Is<HostMemory> R>
void fields(V& visit, R& r) {
  visit("process_peak_bytes", r.process_peak_bytes);
  visit("anonymous_peak_bytes", r.anonymous_peak_bytes);
  visit("file_peak_bytes", r.file_peak_bytes);
  visit("pinned_peak_bytes", r.pinned_peak_bytes);
  visit("swap_peak_bytes", r.swap_peak_bytes);
  visit("system_used_peak_bytes", r.system_used_peak_bytes);
}

template <class V, Is<DeviceMemory> R>
void fields(V& visit, R& r) {
  visit("process_peak_bytes", r.process_peak_bytes);
  visit("pool_peak_bytes", r.pool_peak_bytes);
  visit("device_peak_bytes", r.device_peak_bytes);
  visit("component_bytes", r.component_bytes);
}

template <class V, Is<Spread> R>
void fields(V& visit, R& r) {
  visit("min", r.min);
  visit("median", r.median);
  visit("max", r.max);
}

template <class V, Is<StageRecord> R>
void fields(V& visit, R& r) {
  visit("id", r.id);
  visit("parent", r.parent);
  visit("name", r.name);
  visit.added("role", r.role);
  visit("index", r.index);
  visit("kind", r.kind);
  visit("expert", r.expert);
  visit("wall_ns", r.wall_ns);
  visit("begin_ns", r.begin_ns);
  visit("gpu_ns", r.gpu_ns);
  visit("exposed_copy_ns", r.exposed_copy_ns);
  visit.added("hidden_copy_ns", r.hidden_copy_ns);
  visit("moved_bytes", r.moved_bytes);
  visit("flops", r.flops);
  visit("cpu_core_ns", r.cpu_core_ns);
  visit("other_cpu_core_ns", r.other_cpu_core_ns);
  visit("read_bytes", r.read_bytes);
  visit("host_memory", r.host_memory);
  visit("device_memory", r.device_memory);
  visit("counters", r.counters);
  visit("sm_clock_mhz", r.sm_clock_mhz);
  visit("memory_clock_mhz", r.memory_clock_mhz);
  visit("gpu_temperature_c", r.gpu_temperature_c);
  visit("power_mean_w", r.power_mean_w);
  visit("energy_j", r.energy_j);
  visit("throttled_percent", r.throttled_percent);
  visit("pcie_rx_bytes_per_s", r.pcie_rx_bytes_per_s);
  visit("pcie_tx_bytes_per_s", r.pcie_tx_bytes_per_s);
  visit("printed", r.printed);
  visit("flags", r.flags);
  visit.added("count", r.count);
}

template <class V, Is<QualityCheck> R>
void fields(V& visit, R& r) {
  visit("metric", r.metric);
  visit("value", r.value);
  visit("reference", r.reference);
  visit("threshold", r.threshold);
  visit("passed", r.passed);
}

template <class V, Is<OutputInfo> R>
void fields(V& visit, R& r) {
  visit("file", r.file);
  visit("sha256", r.sha256);
  visit("frames", r.frames);
  visit("size_bytes", r.size_bytes);
  visit("quality", r.quality);
}

template <class V, Is<ValidityFlag> R>
void fields(V& visit, R& r) {
  visit("name", r.name);
  visit("detail", r.detail);
  visit("stage", r.stage);
  visit("excludes", r.excludes);
}

template <class V, Is<IntegralCheck> R>
void fields(V& visit, R& r) {
  visit("quantity", r.quantity);
  visit("over_stages", r.over_stages);
  visit("whole_run", r.whole_run);
}

template <class V, Is<SamplesReference> R>
void fields(V& visit, R& r) {
  visit("file", r.file);
  visit("format", r.format);
  visit("count", r.count);
  visit("period_ms", r.period_ms);
}

template <class V, Is<ClockInfo> R>
void fields(V& visit, R& r) {
  visit("origin_monotonic_ns", r.origin_monotonic_ns);
  visit("gpu_residual_ns", r.gpu_residual_ns);
  visit.added("gpu_uncertainty_ns", r.gpu_uncertainty_ns);
}

template <class V, Is<Finding> R>
void fields(V& visit, R& r) {
  visit("code", r.code);
  visit("where", r.where);
  visit("message", r.message);
  visit("printed", r.printed);
  visit("recomputed", r.recomputed);
  visit("unit", r.unit);
}

template <class V, Is<ImportInfo> R>
void fields(V& visit, R& r) {
  visit("file", r.file);
  visit("sha256", r.sha256);
  visit("format", r.format);
  visit("printed", r.printed);
  visit("notes", r.notes);
  visit("findings", r.findings);
}

template <class V, Is<KernelSum> R>
void fields(V& visit, R& r) {
  visit("name", r.name);
  visit("kind", r.kind);
  visit("count", r.count);
  visit("total_ns", r.total_ns);
}

template <class V, Is<KernelKindSum> R>
void fields(V& visit, R& r) {
  visit("kind", r.kind);
  visit("count", r.count);
  visit("total_ns", r.total_ns);
  visit("exposed_ns", r.exposed_ns);
}

template <class V, Is<KernelTable> R>
void fields(V& visit, R& r) {
  visit("stages", r.stages);
  visit("stage_count", r.stage_count);
  visit("wall_ns", r.wall_ns);
  visit("gap_ns", r.gap_ns);
  visit("kinds", r.kinds);
  visit("kernels", r.kernels);
  visit("unlisted_count", r.unlisted_count);
  visit("unlisted_ns", r.unlisted_ns);
}

template <class V, Is<KernelTrace> R>
void fields(V& visit, R& r) {
  visit("source", r.source);
  visit("reason", r.reason);
  visit("lost", r.lost);
  visit.added("missing", r.missing);
  visit("tables", r.tables);
}

template <class V, Is<FidelityScore> R>
void fields(V& visit, R& r) {
  visit("metric", r.metric);
  visit("mean", r.mean);
  visit("worst", r.worst);
  visit("worst_frame", r.worst_frame);
}

template <class V, Is<StepDistance> R>
void fields(V& visit, R& r) {
  visit("step", r.step);
  visit("relative_l2", r.relative_l2);
  visit("cosine", r.cosine);
}

template <class V, Is<FidelityComparison> R>
void fields(V& visit, R& r) {
  visit("reference", r.reference);
  visit("test", r.test);
  visit("reference_key", r.reference_key);
  visit("reference_class", r.reference_class);
  visit("reference_recipe", r.reference_recipe);
  visit("reference_sha256", r.reference_sha256);
  visit("test_sha256", r.test_sha256);
  visit("frames", r.frames);
  visit("identical", r.identical);
  visit("includes_codec", r.includes_codec);
  visit("why_no_scores", r.why_no_scores);
  visit("scores", r.scores);
  visit("why_no_latents", r.why_no_latents);
  visit("latents", r.latents);
  visit("why_not_replayed", r.why_not_replayed);
  visit("replayed", r.replayed);
}

template <class V, Is<FidelityStill> R>
void fields(V& visit, R& r) {
  visit("frame", r.frame);
  visit("reference", r.reference);
  visit("test", r.test);
  visit("difference", r.difference);
}

template <class V, Is<FidelityRecord> R>
void fields(V& visit, R& r) {
  visit("comparison", r.comparison);
  visit("velocity_bound", r.velocity_bound);
  visit("noise_floor", r.noise_floor);
  visit("why_no_noise_floor", r.why_no_noise_floor);
  visit("still", r.still);
}

template <class V, Is<RunRecord> R>
void fields(V& visit, R& r) {
  visit("id", r.id);
  visit("created_utc", r.created_utc);
  visit("tool", r.tool);
  visit("workload", r.workload);
  visit("workload_key", r.workload_key);
  visit("case", r.run_case);
  visit("engine", r.engine);
  visit.added("execution", r.execution);
  visit.added("predicted_peak_bytes", r.predicted_peak_bytes);
  visit("system", r.system);
  visit("status", r.status);
  visit("error", r.error);
  visit.added("forwards", r.forwards);
  visit("stages", r.stages);
  visit("output", r.output);
  visit("validity", r.validity);
  visit("overhead_percent", r.overhead_percent);
  visit.added("integrals", r.integrals);
  visit("clock", r.clock);
  visit("samples", r.samples);
  visit.added("spans_file", r.spans_file);
  visit("trace_file", r.trace_file);
  visit("imported", r.imported);
  visit.added("kernels", r.kernels);
  visit.added("fidelity", r.fidelity);
}

template <class V, Is<OverheadPair> R>
void fields(V& visit, R& r) {
  visit("off_s", r.off_s);
  visit("on_s", r.on_s);
}

template <class V, Is<OverheadResult> R>
void fields(V& visit, R& r) {
  visit("created_utc", r.created_utc);
  visit("tool", r.tool);
  visit("device", r.device);
  visit("gpu_uuid", r.gpu_uuid);
  visit("counters", r.counters);
  visit("counters_not_read", r.counters_not_read);
  visit("work", r.work);
  visit("period_ms", r.period_ms);
  visit("steps_in_block", r.steps_in_block);
  visit("pairs", r.pairs);
  visit("step_s", r.step_s);
  visit("overhead_percent", r.percent);
  visit("overhead_low_percent", r.low_percent);
  visit("overhead_high_percent", r.high_percent);
  visit("limit_percent", r.limit_percent);
  visit("sampler_core_percent", r.sampler_core_percent);
}

}  // namespace wan
