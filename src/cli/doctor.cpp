// `wanbench doctor`: what this machine can run and measure, why not, and what to change.
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "backend/backend.h"
#include "backend/card_code.h"
#include "backend/cuda_module.h"
#include "backend/factories.h"
#include "base/build_info.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/facts.h"
#include "measure/dcgm_sampler.h"
#include "measure/gpu.h"
#include "measure/machine.h"
#include "measure/pm_sampler.h"
#include "measure/proc.h"

namespace wan::cli {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

std::string gib(uint64_t bytes) { return fmt::format("{:.1f} GiB", double(bytes) / kGiB); }

template <class T>
std::string or_reason(const Measured<T>& value, const char* unit = "") {
  return value.has() ? fmt::format("{}{}", *value.value, unit) : value.reason;
}

template <class T>
OrderedJson or_null(const std::optional<T>& value) {
  return value ? OrderedJson(*value) : OrderedJson(nullptr);
}

FactSection machine_facts() {
  const SystemInfo system = measure::describe_machine();
  const measure::MachineReading now = measure::read_machine();
  FactSection machine{.key = "machine", .title = "machine", .facts = {}};
  machine.add("processor", "processor", system.cpu_model, system.cpu_model);
  machine.add("cores", "cores",
              fmt::format("{} allowed of {}", or_reason(system.cores_allowed), or_reason(system.cores_total)),
              {{"allowed", or_null(system.cores_allowed.value)}, {"total", or_null(system.cores_total.value)}},
              system.cores_allowed.has() ? system.cores_total.reason : system.cores_allowed.reason);
  machine.add("memory", "memory",
              fmt::format("{} of {} in use, {} page cache", gib(now.used_bytes), gib(now.total_bytes),
                          gib(now.page_cache_bytes)),
              {{"used_bytes", now.used_bytes},
               {"total_bytes", now.total_bytes},
               {"page_cache_bytes", now.page_cache_bytes},
               {"swap_used_bytes", now.swap_used_bytes}});
  const auto& memory_limit = system.memory_limit_bytes;
  machine.add("memory_limit_bytes", "memory limit", memory_limit.has() ? gib(*memory_limit.value) : "none",
              or_null(memory_limit.value), memory_limit.reason);
  machine.add("cpu_limit_cores", "cpu limit",
              system.cpu_limit_cores.has() ? or_reason(system.cpu_limit_cores, " cores") : "none",
              or_null(system.cpu_limit_cores.value), system.cpu_limit_cores.reason);
  machine.add("kernel", "kernel", system.kernel, system.kernel);
  machine.add("container", "container or VM", system.container, system.container);
  const auto disk = measure::free_disk_bytes(".");
  machine.add("disk_free_bytes", "disk free here", disk ? gib(*disk) : "not known", or_null(disk),
              disk ? "" : "not_known");
  if (now.swap_used_bytes > 0)
    machine.add("swap_used_bytes", "swap",
                gib(now.swap_used_bytes) + " in use: runs that bring pages back are flagged; free some memory",
                now.swap_used_bytes);
  return machine;
}

FactSection host_facts() {
  FactSection host{.key = "host_measurements", .title = "host measurements", .facts = {}};
  const auto say = [&](const char* key, const char* label, bool works, const char* how, const char* why_not) {
    works ? host.add_yes(key, label, how, how[0] == ',' ? "" : ": ") : host.add_no(key, label, why_not);
  };
  const auto first = measure::read_own_and_reset_peak();
  const auto second = measure::read_own_and_reset_peak();
  say("cpu_time", "CPU time", second.cpu_ns > first.cpu_ns, ", per process, in nanoseconds",
      "the CPU clock stands still");
  say("memory", "memory", first.memory.resident() > 0, "anonymous, file and shared parts",
      "/proc/self/status lacks them");
  if (access("/proc/self/clear_refs", W_OK) == 0)
    host.add_yes("memory_peak", "memory peak per stage", "the high-water mark is reset at stage boundaries");
  else
    host.add("memory_peak", "memory peak per stage", "sampled only: /proc/self/clear_refs cannot be written", "sampled",
             "/proc/self/clear_refs cannot be written");
  say("child_processes", "child processes",
      access(fmt::format("/proc/self/task/{}/children", getpid()).c_str(), R_OK) == 0,
      "the whole tree of a command is followed",
      "the kernel lacks CONFIG_PROC_CHILDREN, only the first process is seen");
  say("disk_reads", "disk reads", !measure::read_pseudo_file("/proc/self/io").empty(), "",
      "/proc/self/io cannot be read");
  return host;
}

/// What a source of counters said in a moment.
struct Shares {
  std::optional<double> sm, tensor, dram;

  std::string text() const {
    const auto percent = [](const std::optional<double>& share) {
      return share ? fmt::format("{:.0f} %", 100 * *share) : std::string("–");
    };
    return fmt::format("SM {}, tensor {}, DRAM {}", percent(sm), percent(tensor), percent(dram));
  }
  OrderedJson json() const {
    const auto percent = [](const std::optional<double>& share) {
      return share ? OrderedJson(100 * *share) : OrderedJson(nullptr);
    };
    return {{"sm_active_percent", percent(sm)},
            {"tensor_active_percent", percent(tensor)},
            {"dram_active_percent", percent(dram)}};
  }
};

constexpr auto kTrial = std::chrono::milliseconds(300);

/// Each source of counters is tried for a moment: what it says now is the proof that it works.
void try_gpm(measure::Gpu& gpu, FactSection& card) {
  const char* const kLabel = "counters, gpm";
  if (!gpu.facts().activity_reason.empty()) return card.add_no("counters_gpm", kLabel, gpu.facts().activity_reason);
  gpu.read_activity();
  std::this_thread::sleep_for(kTrial);
  const auto reading = gpu.read_activity();
  if (!reading) return card.add_no("counters_gpm", kLabel, "it gave no reading in 0.3 s");
  const Shares now{reading->sm, reading->tensor, reading->dram};
  card.add("counters_gpm", kLabel, "yes: " + now.text(), now.json());
}

void try_cupti(int ordinal, FactSection& card) {
  const char* const kLabel = "counters, cupti";
  measure::PmSampler sampler(ordinal);
  std::vector<measure::CounterSample> samples;
  if (sampler.reason().empty()) {
    std::this_thread::sleep_for(kTrial);
    samples = sampler.read();
  }
  if (!sampler.reason().empty()) return card.add_no("counters_cupti", kLabel, sampler.reason());
  if (samples.empty()) {
    card.add_no("counters_cupti", kLabel, "it gave no window in 0.3 s");
  } else {
    const measure::CounterSample& last = samples.back();
    const Shares now{last.sm, last.tensor, last.dram};
    const double window_ms = double(last.end_ns - last.begin_ns) * 1e-6;
    OrderedJson value = now.json();
    value["windows"] = samples.size();
    value["window_ms"] = window_ms;
    card.add("counters_cupti", kLabel,
             fmt::format("yes: {} windows of {:.1f} ms, {}", samples.size(), window_ms, now.text()), std::move(value));
  }
  if (!sampler.metrics().empty()) card.add("cupti_metrics", "", sampler.metrics(), sampler.metrics());
}

void try_dcgm(const std::string& uuid, FactSection& card) {
  const char* const kLabel = "counters, dcgm";
  measure::DcgmSampler sampler(uuid);
  std::vector<measure::ActivityReading> readings;
  if (sampler.reason().empty()) {
    std::this_thread::sleep_for(std::chrono::seconds(1));  // the engine takes a while to begin
    readings = sampler.read();
  }
  if (!sampler.reason().empty()) return card.add_no("counters_dcgm", kLabel, sampler.reason());
  if (readings.empty()) return card.add_no("counters_dcgm", kLabel, "it gave no window in 1 s");
  const Shares now{readings.back().sm, readings.back().tensor, readings.back().dram};
  OrderedJson value = now.json();
  value["windows"] = readings.size();
  card.add("counters_dcgm", kLabel, fmt::format("yes: {} windows, {}", readings.size(), now.text()), std::move(value));
}

void add_card(const measure::GpuFacts& facts, const measure::GpuReading& now, FactSection& card) {
  card.add("uuid", "UUID", facts.uuid, facts.uuid);
  card.add("name", "name", facts.name, facts.name);
  const int version = facts.cuda_driver.value_or(0);
  card.add("driver", "driver", fmt::format("{}, CUDA {}.{}", facts.driver, version / 1000, version % 1000 / 10),
           {{"version", facts.driver}, {"cuda", or_null(facts.cuda_driver)}});
  if (facts.memory_bytes && now.device_bytes)
    card.add("memory", "memory", fmt::format("{} of {} in use", gib(*now.device_bytes), gib(*facts.memory_bytes)),
             {{"used_bytes", *now.device_bytes}, {"total_bytes", *facts.memory_bytes}});
  else
    card.add("memory", "memory", "not told by this card or driver", nullptr, "not_supported");
  if (now.sm_clock_mhz && facts.max_sm_clock_mhz)
    card.add("sm_clock_mhz", "SM clock",
             fmt::format("{:.0f} MHz now, {:.0f} at most", *now.sm_clock_mhz, *facts.max_sm_clock_mhz),
             {{"now", *now.sm_clock_mhz}, {"most", *facts.max_sm_clock_mhz}});
  else
    card.add("sm_clock_mhz", "SM clock", "not told by this card or driver", nullptr, "not_supported");
  if (facts.power_limit_w && now.power_w)
    card.add("power_w", "power", fmt::format("{:.0f} W now, limit {:.0f} W", *now.power_w, *facts.power_limit_w),
             {{"now", *now.power_w}, {"limit", *facts.power_limit_w}});
  else
    card.add("power_w", "power", "not told by this card or driver", nullptr, "not_supported");
  if (now.energy_mj)
    card.add_yes("energy_counter", "energy counter");
  else
    card.add_no("energy_counter", "energy counter", "energy is not told by this card or driver");
  card.add("processes", "processes on it", std::to_string(now.processes.size()), now.processes.size());
}

/// The number CUDA gives the card, which is not NVML's where CUDA_VISIBLE_DEVICES is set; empty where it is left out.
std::optional<int> cuda_ordinal(const measure::GpuSet& set, const measure::Gpu& gpu) {
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  for (int i = 0; i < static_cast<int>(set.gpus.size()); ++i)
    if (measure::find_gpu(set, fmt::format("cuda:{}", i), visible != nullptr ? visible : "") == &gpu) return i;
  return std::nullopt;
}

/// What the CUDA backend needs to be loaded: the module, the cards it has code for, NVIDIA's libraries.
void add_module(FactSection& gpu) {
  const BuildInfo& build = build_info();
  if (build.cuda.empty()) return gpu.add("built_with_cuda", "built with CUDA", "no", false, "not_built_in");
  const std::string code = code_in_words(build.cuda_code);
  gpu.add("built_with_cuda", "built with CUDA", fmt::format("{}, code for {}", build.cuda, code),
          {{"toolkit", build.cuda}, {"code", code}});
  if (!build.cuda_code_left_out.empty())
    gpu.add("cuda_code_left_out", "",
            fmt::format("asked for but unknown to that toolkit: {}", build.cuda_code_left_out),
            build.cuda_code_left_out);
  const CudaStatus status = cuda_status();
  if (status.module.empty())
    gpu.add("cuda_module", "CUDA module", "none: " + status.problem, nullptr, status.problem);
  else
    gpu.add("cuda_module", "CUDA module", status.module.string(), status.module.string(), status.problem);
  for (const LibraryFinding& finding : status.libraries) {
    const std::string wanted = fmt::format("{}.{}", finding.wanted.major, finding.wanted.minor);
    const std::string& name = finding.wanted.soname;
    if (finding.problem.empty())
      gpu.add(name, name,
              fmt::format("{} ({} or later wanted), {}", finding.version, wanted, finding.library.path.string()),
              {{"version", finding.version}, {"wanted", wanted}, {"path", finding.library.path.string()}});
    else
      gpu.add(name, name, fmt::format("no: {} ({} or later wanted)", finding.problem, wanted), nullptr,
              fmt::format("{} ({} or later wanted)", finding.problem, wanted));
  }
}

FactSection gpu_facts(const measure::GpuSet& set) {
  FactSection gpu{.key = "gpu", .title = "GPU", .facts = {}};
  add_module(gpu);
  if (measure::built_with_nvml())
    gpu.add_yes("built_with_nvml", "built with NVML");
  else
    gpu.add_no("built_with_nvml", "built with NVML",
               "nvml.h was not found at build time; run tools/bootstrap.sh and build again");
  if (const auto problem = why_cuda_is_unusable())
    gpu.add_no("usable", "usable", *problem);
  else
    gpu.add_yes("usable", "usable");
  if (set.gpus.empty())
    gpu.add("visible_to_nvml", "visible to NVML", "none: " + set.reason, 0, set.reason);
  else
    gpu.add("visible_to_nvml", "visible to NVML", std::to_string(set.gpus.size()), set.gpus.size());
  const std::string parameters = measure::read_pseudo_file("/proc/driver/nvidia/params");
  if (parameters.find("RmProfilingAdminOnly: 1") != std::string::npos)
    gpu.add("counters_for_administrators", "counters",
            "the driver keeps profiling to administrators (NVreg_RestrictProfilingToAdminUsers=0 lifts it)", true);
  if (!set.gpus.empty()) return gpu;
  try_cupti(0, gpu);
  try_dcgm("", gpu);
  return gpu;
}

FactSection card_facts(const measure::GpuSet& set, measure::Gpu& gpu) {
  const std::string& uuid = gpu.facts().uuid;
  FactSection card{.key = "cards", .title = "card", .form = FactSection::Form::kOneOfMany, .facts = {}};
  add_card(gpu.facts(), gpu.read(), card);
  try_gpm(gpu, card);
  if (const auto ordinal = cuda_ordinal(set, gpu)) {
    if (const auto unusable = cuda_problem(*ordinal))
      card.add_no("cuda_backend", "CUDA backend", *unusable);
    else
      card.add("cuda_backend", "CUDA backend", fmt::format("yes, as cuda:{}", *ordinal),
               fmt::format("cuda:{}", *ordinal));
    try_cupti(*ordinal, card);
  } else {
    card.add_no("counters_cupti", "counters, cupti", "CUDA_VISIBLE_DEVICES leaves this card out");
  }
  try_dcgm(uuid, card);
  return card;
}

FactSection data_facts() {
  FactSection data{.key = "data", .title = "data", .facts = {}};
  const auto add = [&](const char* key, const char* label, const std::filesystem::path& path) {
    if (std::filesystem::exists(path))
      data.add(key, label, path.string(), path.string());
    else
      data.add(key, label, "missing", nullptr, "missing");
  };
  try {
    add("folder", "folder", data_folder());
    add("small_checkpoint", "small checkpoint", default_checkpoint());
    add("quick_suite", "quick suite", default_suite());
  } catch (const Error& problem) {
    data.add("folder", "folder", problem.what(), nullptr, problem.what());
  }
  return data;
}

ExitCode run_doctor(Wording wording) {
  const measure::GpuSet set = measure::open_gpus();
  std::vector<FactSection> sections{machine_facts(), host_facts(), gpu_facts(set)};
  for (const auto& gpu : set.gpus) sections.push_back(card_facts(set, *gpu));
  sections.push_back(data_facts());
  if (wording == Wording::kText) {
    print_facts(sections);
    return ExitCode::kSuccess;
  }
  OrderedJson document = json_document("wanbench.doctor", 1, 0);
  document["cards"] = OrderedJson::array();
  put_facts(document, sections);
  print_json(document);
  return ExitCode::kSuccess;
}

}  // namespace

void add_doctor_command(CLI::App& app, ExitCode& result) {
  auto wording = std::make_shared<Wording>(Wording::kText);
  CLI::App* command = app.add_subcommand("doctor", "Say what this machine can run and measure, and why not");
  add_json_flag(*command, *wording);
  command->callback([wording, &result] { result = run_doctor(*wording); });
}

}  // namespace wan::cli
