// `wanbench doctor`: what this machine can run and measure, why not, and what to change.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "backend/backend.h"
#include "backend/card_code.h"
#include "backend/cuda_module.h"
#include "backend/factories.h"
#include "base/build_info.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "measure/dcgm_sampler.h"
#include "measure/gpu.h"
#include "measure/machine.h"
#include "measure/pm_sampler.h"
#include "measure/proc.h"

namespace wan::cli {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

void row(const char* what, const std::string& text) {
  const std::string label = fmt::format("  {:<22} ", what);
  print("{}{}", label, Lines{wrapped(text, label.size(), 0).text.substr(label.size())});
}

std::string gib(uint64_t bytes) { return fmt::format("{:.1f} GiB", double(bytes) / kGiB); }

template <class T>
std::string or_reason(const Measured<T>& value, const char* unit = "") {
  return value.has() ? fmt::format("{}{}", *value.value, unit) : value.reason;
}

void show_machine() {
  const SystemInfo system = measure::describe_machine();
  const measure::MachineReading now = measure::read_machine();
  print("machine\n");
  row("processor", system.cpu_model);
  row("cores", fmt::format("{} allowed of {}", or_reason(system.cores_allowed), or_reason(system.cores_total)));
  row("memory", fmt::format("{} of {} in use, {} page cache", gib(now.used_bytes), gib(now.total_bytes),
                            gib(now.page_cache_bytes)));
  row("memory limit", system.memory_limit_bytes.has() ? gib(*system.memory_limit_bytes.value) : "none");
  row("cpu limit", system.cpu_limit_cores.has() ? or_reason(system.cpu_limit_cores, " cores") : "none");
  row("kernel", system.kernel);
  row("container or VM", system.container);
  if (const auto disk = measure::free_disk_bytes(".")) row("disk free here", gib(*disk));
  if (now.swap_used_bytes > 0)
    row("swap", gib(now.swap_used_bytes) + " in use: runs that bring pages back are flagged; free some memory");
}

void show_host_measures() {
  print("host measurements\n");
  const auto first = measure::read_own_and_reset_peak();
  const auto second = measure::read_own_and_reset_peak();
  row("CPU time", second.cpu_ns > first.cpu_ns ? "yes, per process, in nanoseconds" : "no: the CPU clock stands still");
  row("memory",
      first.memory.resident() > 0 ? "yes: anonymous, file and shared parts" : "no: /proc/self/status lacks them");
  row("memory peak per stage", access("/proc/self/clear_refs", W_OK) == 0
                                   ? "yes: the high-water mark is reset at stage boundaries"
                                   : "sampled only: /proc/self/clear_refs cannot be written");
  row("child processes", access(fmt::format("/proc/self/task/{}/children", getpid()).c_str(), R_OK) == 0
                             ? "yes: the whole tree of a command is followed"
                             : "no: the kernel lacks CONFIG_PROC_CHILDREN, only the first process is seen");
  row("disk reads", measure::read_pseudo_file("/proc/self/io").empty() ? "no: /proc/self/io cannot be read" : "yes");
}

std::string shares(const std::optional<double>& sm, const std::optional<double>& tensor,
                   const std::optional<double>& dram) {
  const auto percent = [](const std::optional<double>& share) {
    return share ? fmt::format("{:.0f} %", 100 * *share) : std::string("–");
  };
  return fmt::format("SM {}, tensor {}, DRAM {}", percent(sm), percent(tensor), percent(dram));
}

constexpr auto kTrial = std::chrono::milliseconds(300);

/// Each source of counters is tried for a moment: what it says now is the proof that it works.
void try_gpm(measure::Gpu& gpu) {
  std::string said = "no: " + gpu.facts().activity_reason;
  if (gpu.facts().activity_reason.empty()) {
    gpu.read_activity();
    std::this_thread::sleep_for(kTrial);
    const auto reading = gpu.read_activity();
    said = reading ? "yes: " + shares(reading->sm, reading->tensor, reading->dram) : "no: it gave no reading in 0.3 s";
  }
  row("counters, gpm", said);
}

void try_cupti(int ordinal) {
  measure::PmSampler sampler(ordinal);
  std::vector<measure::CounterSample> samples;
  if (sampler.reason().empty()) {
    std::this_thread::sleep_for(kTrial);
    samples = sampler.read();
  }
  if (!sampler.reason().empty())
    row("counters, cupti", "no: " + sampler.reason());
  else if (samples.empty())
    row("counters, cupti", "no: it gave no window in 0.3 s");
  else
    row("counters, cupti", fmt::format("yes: {} windows of {:.1f} ms, {}", samples.size(),
                                       double(samples.back().end_ns - samples.back().begin_ns) * 1e-6,
                                       shares(samples.back().sm, samples.back().tensor, samples.back().dram)));
  if (!sampler.metrics().empty() && sampler.reason().empty()) row("", sampler.metrics());
}

void try_dcgm(const std::string& uuid) {
  measure::DcgmSampler sampler(uuid);
  std::vector<measure::ActivityReading> readings;
  if (sampler.reason().empty()) {
    std::this_thread::sleep_for(std::chrono::seconds(1));  // the engine takes a while to begin
    readings = sampler.read();
  }
  if (!sampler.reason().empty())
    row("counters, dcgm", "no: " + sampler.reason());
  else if (readings.empty())
    row("counters, dcgm", "no: it gave no window in 1 s");
  else
    row("counters, dcgm", fmt::format("yes: {} windows, {}", readings.size(),
                                      shares(readings.back().sm, readings.back().tensor, readings.back().dram)));
}

void show_gpu(const measure::Gpu& gpu, const measure::GpuReading& now) {
  const measure::GpuFacts& facts = gpu.facts();
  print("GPU {}\n", facts.uuid);
  row("name", facts.name);
  row("driver", fmt::format("{}, CUDA {}.{}", facts.driver, facts.cuda_driver.value_or(0) / 1000,
                            facts.cuda_driver.value_or(0) % 1000 / 10));
  if (facts.memory_bytes && now.device_bytes)
    row("memory", fmt::format("{} of {} in use", gib(*now.device_bytes), gib(*facts.memory_bytes)));
  if (now.sm_clock_mhz && facts.max_sm_clock_mhz)
    row("SM clock", fmt::format("{:.0f} MHz now, {:.0f} at most", *now.sm_clock_mhz, *facts.max_sm_clock_mhz));
  if (facts.power_limit_w)
    row("power", fmt::format("{:.0f} W now, limit {:.0f} W", now.power_w.value_or(0), *facts.power_limit_w));
  row("energy counter", now.energy_mj ? "yes" : "no: energy is not told by this card or driver");
  row("processes on it", std::to_string(now.processes.size()));
}

/// The number CUDA gives the card, which is not NVML's where CUDA_VISIBLE_DEVICES is set; empty where it is left out.
std::optional<int> cuda_ordinal(const measure::GpuSet& set, const measure::Gpu& gpu) {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  for (int i = 0; i < static_cast<int>(set.gpus.size()); ++i)
    if (measure::find_gpu(set, fmt::format("cuda:{}", i), visible != nullptr ? visible : "") == &gpu) return i;
  return std::nullopt;
}

/// What the CUDA backend needs to be loaded: the module, the cards it has code for, NVIDIA's libraries.
void show_module() {
  const BuildInfo& build = build_info();
  if (build.cuda.empty()) return row("built with CUDA", "no");
  row("built with CUDA", fmt::format("{}, code for {}", build.cuda, code_in_words(build.cuda_code)));
  if (!build.cuda_code_left_out.empty())
    row("", fmt::format("asked for but unknown to that toolkit: {}", build.cuda_code_left_out));
  const CudaStatus status = cuda_status();
  row("CUDA module", status.module.empty() ? "none: " + status.problem : status.module.string());
  for (const LibraryFinding& finding : status.libraries) {
    const LibraryRequirement& wanted = finding.wanted;
    row(wanted.soname.c_str(),
        finding.problem.empty()
            ? fmt::format("{} ({}.{} or later wanted), {}", finding.version, wanted.major, wanted.minor,
                          finding.library.path.string())
            : fmt::format("no: {} ({}.{} or later wanted)", finding.problem, wanted.major, wanted.minor));
  }
}

void show_gpus() {
  const measure::GpuSet set = measure::open_gpus();
  print("GPU\n");
  show_module();
  row("built with NVML", measure::built_with_nvml()
                             ? "yes"
                             : "no: nvml.h was not found at build time; run tools/bootstrap.sh and build again");
  const auto problem = why_cuda_is_unusable();
  row("usable", problem ? "no: " + *problem : "yes");
  if (set.gpus.empty()) row("visible to NVML", "none: " + set.reason);
  const std::string parameters = measure::read_pseudo_file("/proc/driver/nvidia/params");
  if (parameters.find("RmProfilingAdminOnly: 1") != std::string::npos)
    row("counters", "the driver keeps profiling to administrators (NVreg_RestrictProfilingToAdminUsers=0 lifts it)");
  for (size_t i = 0; i < set.gpus.size(); ++i) {
    measure::Gpu& gpu = *set.gpus[i];
    show_gpu(gpu, gpu.read());
    try_gpm(gpu);
    if (const auto ordinal = cuda_ordinal(set, gpu)) {
      const auto unusable = cuda_problem(*ordinal);
      row("CUDA backend", unusable ? "no: " + *unusable : fmt::format("yes, as cuda:{}", *ordinal));
      try_cupti(*ordinal);
    } else {
      row("counters, cupti", "no: CUDA_VISIBLE_DEVICES leaves this card out");
    }
    try_dcgm(gpu.facts().uuid);
  }
  if (!set.gpus.empty()) return;
  try_cupti(0);
  try_dcgm("");
}

void show_data() {
  print("data\n");
  try {
    row("folder", data_folder().string());
    row("small checkpoint", std::filesystem::exists(default_checkpoint()) ? default_checkpoint().string() : "missing");
    row("quick suite", std::filesystem::exists(default_suite()) ? default_suite().string() : "missing");
  } catch (const Error& problem) {
    row("folder", problem.what());
  }
}

}  // namespace

void add_doctor_command(CLI::App& app, ExitCode& result) {
  CLI::App* command = app.add_subcommand("doctor", "Say what this machine can run and measure, and why not");
  command->callback([&result] {
    show_machine();
    show_host_measures();
    show_gpus();
    show_data();
    result = ExitCode::kSuccess;
  });
}

}  // namespace wan::cli
