// One run, as it is kept: what was asked, on what, what happened, and every measured value with its source.
// Plain data; json.h writes and reads it, docs/formats.md describes it key by key.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/stage.h"
#include "results/execution.h"
#include "results/fidelity.h"
#include "results/measured.h"
#include "results/precision_class.h"

namespace wan {

/// The version of the record format this program writes. The rule for changing it is in docs/formats.md.
inline constexpr std::string_view kRecordSchema = "wanbench.run";
inline constexpr int kRecordMajor = 1;
/// Minor 1: `kernels`; 2: `execution`, sums of spans; 3: `workload.recipe`, `split_step`; 4: `last_image_sha256`,
/// `weights.strength`; 5: `execution.gpu_memory_limit_bytes`; 6: `fidelity`; 7: `execution.step_cache`,
/// `cfg_gate_from_step`, `forwards`; 8: `workload.conditioning`.
inline constexpr int kRecordMinor = 9;

enum class RunScope { kCold, kWarm, kUnknown };  // a new process, or a later video of a running one

enum class PageCache { kHot, kEvicted, kUnknown };  // of the weight files, before a cold run

/// A file of weights. The digest covers what `digest_kind` says: "sha256", "size+head+tail", "random" (the seed).
struct WeightsFile {
  // dit, dit.high_noise, dit.low_noise, text_encoder, vae, tokenizer; behind them, in the order in which they are
  // added, lora, lora.high_noise, lora.low_noise
  std::string component;
  std::string file;  // name without folders
  uint64_t size_bytes = 0;
  std::string digest;
  std::string digest_kind;
  std::optional<double> strength{};  // of a LoRA; since 1.4
  bool operator==(const WeightsFile&) const = default;
};

/// Which weights these are: the digest, and a LoRA's strength.
std::string text_of(const WeightsFile& file);

/// All that decides what is computed. Two runs compare only if these fields are equal; `workload_key` hashes them.
/// Empty or nullopt: not applicable to the model, or, in an imported run, not recorded.
struct Workload {
  std::string task;   // the model's kind, as config.json names it
  std::string model;  // of a published size, or of the task and the sizes
  std::vector<WeightsFile> weights;
  std::optional<int64_t> width, height, num_frames;
  std::optional<double> fps;
  std::string recipe;  // how it is sampled, by its name: "official", "lightning-4"
  std::optional<int64_t> steps;
  std::string solver;
  std::optional<double> shift;
  std::optional<double> guidance_low, guidance_high;
  std::optional<double> boundary;
  std::optional<int64_t> split_step;  // first step of the low-noise expert, where that is asked for and no boundary
  std::optional<uint64_t> seed;
  std::string initial_latent_sha256;
  std::string image_sha256;       // image-to-video
  std::string last_image_sha256;  // likewise, where its last frame is given too
  // What else a model of clips makes a video from, by the request's keys: digests of files, values of options.
  // Since 1.8
  std::map<std::string, std::string> conditioning;
  std::string prompt;           // text is for people and leaves on --redact; only the digest is hashed
  std::string negative_prompt;  // likewise
  std::string prompts_sha256;   // of prompt + "\n" + negative prompt
  PrecisionClass precision_class = PrecisionClass::kUnknown;
  std::map<std::string, std::string> dtypes;  // component -> fp32, bf16, ...
  std::string offload;                      // none, stream, mapped; "auto" until it was decided, "true" in the original
  std::string text_encoder_device;          // cpu or cuda
  std::vector<std::string> approximations;  // step cache, sparse attention, ...
  RunScope scope = RunScope::kUnknown;
  PageCache page_cache = PageCache::kUnknown;
  bool operator==(const Workload&) const = default;
};

/// Where the run stands in its suite.
struct CaseInfo {
  std::string suite;
  std::string suite_version;
  std::string name;
  std::vector<std::string> aliases;  // older or misleading names of the same case
  int64_t repeat = 0;                // from 0
  std::string arm;                   // label of one side of a comparison; empty otherwise
  bool warmup = false;               // kept for the record, never in an estimate
  std::string key{};                 // of the request, the weights and the page cache: what a resumed suite knows it by
  bool operator==(const CaseInfo&) const = default;
};

struct ToolInfo {
  std::string version;
  std::string git_commit;
  bool git_dirty = false;
  std::string build;             // compiler and build type
  std::string cuda;              // toolkit the binary was built with; empty without
  std::string program_sha256{};  // of program and CUDA module; empty: not recorded
  bool operator==(const ToolInfo&) const = default;
};

enum class EngineKind { kNative, kExternal, kImported };

struct EngineInfo {
  EngineKind kind = EngineKind::kNative;
  std::string name;                             // "wanbench", or what the external program is called
  std::string device;                           // cuda:0, cpu
  std::vector<std::string> command;             // argv as run
  std::map<std::string, std::string> env;       // what was added to or changed in the environment
  std::string marker_source;                    // engine, shim, nvtx, log, total: what the stages were cut by
  std::map<std::string, std::string> versions;  // cudnn, torch, oneDNN, ...
  std::map<std::string, std::string> facts;     // Observer::on_fact
  bool operator==(const EngineInfo&) const = default;
};

struct GpuInfo {
  std::string uuid;
  std::string name;
  std::string pci_bus_id;
  std::string compute_capability;  // "9.0"
  std::string driver;
  std::string vbios;
  std::string mig_profile;  // empty: none
  std::string ecc;          // on, off, or empty: not known
  Measured<int64_t> sm_count;
  Measured<uint64_t> memory_bytes;
  Measured<double> power_limit_w;
  Measured<double> max_sm_clock_mhz, max_memory_clock_mhz;
  Measured<int64_t> pcie_generation, pcie_width;  // under load where it could be read so
  Measured<int64_t> pcie_max_generation, pcie_max_width;
  bool operator==(const GpuInfo&) const = default;
};

struct SystemInfo {
  std::string host;  // leaves on --redact
  std::string cpu_model;
  Measured<int64_t> cores_allowed;  // of the process: affinity and cgroup quota
  Measured<int64_t> cores_total;
  Measured<int64_t> numa_nodes;
  Measured<uint64_t> ram_bytes;
  Measured<uint64_t> memory_limit_bytes;  // cgroup
  Measured<double> cpu_limit_cores;       // cgroup
  std::string kernel;
  std::string container;        // docker, kubernetes, vm kind, none
  std::string weights_storage;  // file system and device of the weights
  std::vector<GpuInfo> gpus;
  bool operator==(const SystemInfo&) const = default;
};

enum class RunStatus { kOk, kOutOfMemory, kTimeout, kCrash, kInvalid, kSkipped, kInterrupted, kQualityFail };

/// What is known of a run that is not ok.
struct ErrorFacts {
  std::string stage;
  std::string message;
  std::string advice;  // the setting that would fit, where known
  Measured<uint64_t> requested_bytes, free_bytes;
  Measured<int64_t> exit_code, signal;
  std::string stderr_tail;
  bool operator==(const ErrorFacts&) const = default;
};

enum class StageKind {
  kLeaf,       // critical-path time; the leaves tile Total_Execution and only they are summed
  kParent,     // Total_Execution
  kHidden,     // overlaps leaves; never summed
  kComponent,  // a part of its parent leaf: h2d, cond, uncond, ...
};

/// The mean of a counter over a stage, in percent of its peak, weighted over reading windows by overlap.
struct Counter {
  std::optional<double> mean_percent;
  std::string reason;                      // why there is none: not_supported, not_permitted, below_resolution, ...
  std::string source;                      // cupti_pm, nvml_gpm, dcgm, nvml, imported
  int64_t windows = 0;                     // readings that overlap the stage
  double coverage = 0;                     // share of the stage's time they cover, 0 to 1
  std::optional<double> pooled_percent{};  // of all stages of this kind together, where this one alone is too short
  bool operator==(const Counter&) const = default;
};

struct Counters {
  Counter sm_active, sm_occupancy, tensor_active, dram_active;
  Counter gpu_busy;  // NVML utilisation or kernel-busy union; never presented as SM activity
  bool operator==(const Counters&) const = default;
};

struct HostMemory {
  Measured<uint64_t> process_peak_bytes;    // resident set of the process tree
  Measured<uint64_t> anonymous_peak_bytes;  // of it
  Measured<uint64_t> file_peak_bytes;       // of it: mapped weights
  Measured<uint64_t> pinned_peak_bytes;
  Measured<uint64_t> swap_peak_bytes;
  Measured<uint64_t> system_used_peak_bytes;  // whole machine, strangers included
  bool operator==(const HostMemory&) const = default;
};

struct DeviceMemory {
  Measured<uint64_t> process_peak_bytes;            // the process's footprint on the card: the headline
  Measured<uint64_t> pool_peak_bytes;               // our own allocations, exact
  Measured<uint64_t> device_peak_bytes;             // whole card, strangers included
  std::map<std::string, uint64_t> component_bytes;  // context, weights.dit.bf16, activations, workspace, slack
  bool operator==(const DeviceMemory&) const = default;
};

/// Of one sampled quantity over a stage.
struct Spread {
  double min = 0, median = 0, max = 0;
  bool operator==(const Spread&) const = default;
};

struct StageRecord {
  std::string id;                      // unique in the record: the name, or "<leaf>/<component>"
  std::string parent;                  // id of the parent; empty for Total_Execution
  std::string name;                    // Model_Initialization, Step_3_Inference, ..., or the component's
  StageRole role = StageRole::kOther;  // of the leaf, or of the leaf this is a part of; since 1.2
  int64_t index = -1;                  // step from 0; -1 where there is none
  StageKind kind = StageKind::kLeaf;
  std::string expert;  // high_noise, low_noise; empty for single models
  int64_t wall_ns = 0;
  Measured<int64_t> begin_ns;         // from the start of Total_Execution
  Measured<int64_t> gpu_ns;           // between the device events of its edges
  Measured<int64_t> exposed_copy_ns;  // of it, waiting for weights
  // Weights were copied and nothing waited for them; since 1.1.
  Measured<int64_t> hidden_copy_ns = absent<int64_t>("not_recorded");
  Measured<uint64_t> moved_bytes;
  Measured<double> flops;         // floating-point operations executed, multiply-add = 2, by the analytic cost model
  Measured<int64_t> cpu_core_ns;  // of the process tree
  Measured<int64_t> other_cpu_core_ns;  // of everybody else on the machine
  Measured<uint64_t> read_bytes;        // from storage, page cache excluded
  HostMemory host_memory;
  DeviceMemory device_memory;
  Counters counters;
  Measured<Spread> sm_clock_mhz, memory_clock_mhz, gpu_temperature_c;
  Measured<double> power_mean_w;
  Measured<double> energy_j;
  Measured<double> throttled_percent;  // share of the stage under a hardware or thermal slowdown
  Measured<double> pcie_rx_bytes_per_s, pcie_tx_bytes_per_s;
  std::map<std::string, std::string> printed;  // imported runs: column -> the text as printed
  std::vector<std::string> flags;
  int64_t count = 1;  // spans that this row sums up, of hidden work and components; since 1.2
  bool operator==(const StageRecord&) const = default;
};

struct QualityCheck {
  std::string metric;
  Measured<double> value;
  std::string reference;
  std::optional<double> threshold;
  bool passed = false;
  bool operator==(const QualityCheck&) const = default;
};

struct OutputInfo {
  std::string file;    // relative to the results folder; empty: none written
  std::string sha256;  // of the RGB frames in order
  std::optional<int64_t> frames;
  Measured<uint64_t> size_bytes;
  std::vector<QualityCheck> quality;
  bool operator==(const OutputInfo&) const = default;
};

/// A named reason to doubt the run. Flagged runs stay visible; those that exclude do not enter estimates.
struct ValidityFlag {
  std::string name;  // foreign_gpu_process, cpu_interference, thermal_slowdown, low_clock, swap, ...
  std::string detail;
  std::string stage;  // empty: the whole run
  bool excludes = false;
  bool operator==(const ValidityFlag&) const = default;
};

/// One quantity twice: added up over the stages, and over the whole run at once. They differ where readings are
/// missing or were given to the wrong stage.
struct IntegralCheck {
  std::string quantity;  // energy_j, sm_seconds
  double over_stages = 0, whole_run = 0;
  bool operator==(const IntegralCheck&) const = default;
};

/// A file of samples beside the record.
struct SamplesReference {
  std::string file;    // relative to the record
  std::string format;  // name and version
  int64_t count = 0;
  double period_ms = 0;
  bool operator==(const SamplesReference&) const = default;
};

/// The host clock of the record, and how well the device's clock was mapped to it.
struct ClockInfo {
  int64_t origin_monotonic_ns = 0;  // CLOCK_MONOTONIC at begin_ns = 0
  Measured<int64_t> gpu_residual_ns;
  Measured<int64_t> gpu_uncertainty_ns = absent<int64_t>("not_recorded");  // half the width of the closing tie
  bool operator==(const ClockInfo&) const = default;
};

/// A contradiction between what an imported source prints and what its own values say.
struct Finding {
  std::string code;     // double_counted_load, unattributed_time, zero_for_absent, ...
  std::string where;    // stage or field; empty: the whole run
  std::string message;  // one sentence
  std::optional<double> printed, recomputed;
  std::string unit;
  bool operator==(const Finding&) const = default;
};

/// What a kernel does, by the rules of measure/kernel_names.h.
enum class KernelKind {
  kGemm,
  kAttention,
  kConvolution,
  kElementwise,  // norms, activations, changes of layout: bound by memory
  kCopy,         // copies and fills by the driver
  kOther,        // no rule knows the name
};

/// All kernels of one name over some stages.
struct KernelSum {
  std::string name;  // demangled and shortened
  KernelKind kind = KernelKind::kOther;
  int64_t count = 0;
  int64_t total_ns = 0;
  bool operator==(const KernelSum&) const = default;
};

/// `exposed_ns` counts each instant once, for the kernel that began first, and for a copy only where no kernel ran.
struct KernelKindSum {
  KernelKind kind = KernelKind::kOther;
  int64_t count = 0;
  int64_t total_ns = 0;
  int64_t exposed_ns = 0;
  bool operator==(const KernelKindSum&) const = default;
};

/// The kernels of all stages of a kind together. The kinds' `exposed_ns` and `gap_ns` add up to `wall_ns`.
struct KernelTable {
  std::string stages;  // "Step_*": loading and inference of all steps; else a stage's name
  int64_t stage_count = 0;
  int64_t wall_ns = 0;
  int64_t gap_ns = 0;  // nothing ran on the card
  std::vector<KernelKindSum> kinds;
  std::vector<KernelSum> kernels;               // the longest
  int64_t unlisted_count = 0, unlisted_ns = 0;  // of all names that are not among them
  bool operator==(const KernelTable&) const = default;
};

/// What ran on the card, kernel by kernel. A run that has this was watched closely and is slower than others.
struct KernelTrace {
  std::string source;  // cupti_activity
  std::string reason;  // why there are no tables; empty when there are
  int64_t lost = 0;    // kernels of which no time is known
  std::vector<KernelTable> tables;
  std::string missing{};  // why some kernels are in no table, those that are lost among them; empty: all are
  bool operator==(const KernelTrace&) const = default;
};

/// Where an imported run came from.
struct ImportInfo {
  std::string file;
  std::string sha256;
  std::string format;                          // seed-markdown, original-json
  std::map<std::string, std::string> printed;  // run-level values, as printed
  std::vector<std::string> notes;              // the source's own remarks, as printed
  std::vector<Finding> findings;
  bool operator==(const ImportInfo&) const = default;
};

/// Calls of the DiT in all steps, by branch, and what was reused instead. Since 1.7.
struct ForwardCounts {
  Measured<int64_t> planned;  // to be computed, as it was known before the work
  int64_t computed = 0, reused = 0;
  /// A letter a step of each branch: C computed, r reused, g the guidance's difference reused, - none asked for.
  std::string cond, uncond;
  double flop_computed = 0;  // by the cost model
  double flop_skipped = 0;   // that a video without reuse would compute beside them
  bool operator==(const ForwardCounts&) const = default;
};

struct RunRecord {
  std::string id;           // set by `seal`
  std::string created_utc;  // ISO 8601; start of the run
  ToolInfo tool;
  Workload workload;
  std::string workload_key;  // set by `seal`
  CaseInfo run_case;
  EngineInfo engine;
  Measured<Execution> execution = absent<Execution>("not_recorded");           // since 1.2
  Measured<uint64_t> predicted_peak_bytes = absent<uint64_t>("not_recorded");  // on the device, by the memory plan
  SystemInfo system;
  RunStatus status = RunStatus::kOk;
  std::optional<ErrorFacts> error;
  Measured<ForwardCounts> forwards = absent<ForwardCounts>("not_recorded");  // since 1.7
  std::vector<StageRecord> stages;  // Total_Execution is the only parent; its values are the run's totals
  OutputInfo output;
  std::vector<ValidityFlag> validity;
  Measured<double> overhead_percent;     // of step time, by `selftest overhead`
  std::vector<IntegralCheck> integrals;  // since 1.1
  ClockInfo clock;
  std::optional<SamplesReference> samples;
  std::string spans_file;  // the spans of its sums (spans.h), relative to the record; empty: none; since 1.2
  std::string trace_file;  // of a traced run: its events (kernel_events.h), relative to the record; empty: none
  std::optional<ImportInfo> imported;
  std::optional<KernelTrace> kernels;      // of a run that was traced
  std::optional<FidelityRecord> fidelity;  // of a run that was made for it; since 1.6
  bool operator==(const RunRecord&) const = default;
};

std::string_view to_string(RunScope value);
std::string_view to_string(PageCache value);
std::string_view to_string(EngineKind value);
std::string_view to_string(RunStatus value);
std::string_view to_string(StageKind value);
std::string_view to_string(KernelKind value);

/// "0.2.0, commit 0123456789ab, changed, program 89abcdef0123": equal for runs of one program.
std::string build_text(const ToolInfo& tool);

/// The stage named Total_Execution, or nullptr.
const StageRecord* total_stage(const RunRecord& record);

/// The stage of that id, or nullptr.
const StageRecord* find_stage(const RunRecord& record, std::string_view id);

/// Why this run enters no estimate, as far as its record alone can tell; empty: it does.
std::string reason_not_counted(const RunRecord& run);

}  // namespace wan
