#include "report/markdown.h"

#include <algorithm>
#include <deque>
#include <map>

#include <fmt/format.h>

#include "analysis/bottleneck.h"
#include "analysis/compare.h"
#include "analysis/summary.h"
#include "report/cards.h"
#include "report/case_section.h"
#include "report/fit.h"
#include "report/format.h"
#include "report/imported.h"

namespace wan::report {
namespace {

std::string size_text(const Workload& work) {
  return work.width && work.height ? fmt::format("{}*{}", *work.width, *work.height) : "–";
}

template <class T>
std::string or_dash(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "–";
}

/// The device, and the program where there is more than one.
std::string device_of(const ShownCase& shown, const std::deque<ShownCase>& cases) {
  const RunGroup& own = shown.summary.group;
  const bool several = std::any_of(cases.begin(), cases.end(),
                                   [&](const ShownCase& other) { return other.summary.group.engine != own.engine; });
  return several ? own.device + ", " + own.engine : own.device;
}

/// Devices in order of appearance.
std::vector<std::string> devices_of(const std::deque<ShownCase>& cases) {
  std::vector<std::string> devices;
  for (const ShownCase& shown : cases) {
    const std::string device = device_of(shown, cases);
    if (std::find(devices.begin(), devices.end(), device) == devices.end()) devices.push_back(device);
  }
  return devices;
}

/// Of several groups of one title, such as runs with a known and an unknown page cache, the first whose runs count.
const ShownCase* find_case(const std::deque<ShownCase>& cases, const std::string& device, const std::string& title) {
  const ShownCase* found = nullptr;
  for (const ShownCase& shown : cases) {
    if (device_of(shown, cases) != device || shown.title() != title) continue;
    if (!shown.stand_in) return &shown;
    if (found == nullptr) found = &shown;
  }
  return found;
}

/// Cases against devices; with two devices their comparison, split into GPU and host.
std::string performance_summary(const std::deque<ShownCase>& cases, const std::vector<std::string>& devices) {
  std::string out = "## Performance Summary: ";
  for (size_t i = 0; i < devices.size(); ++i) out += (i > 0 ? " vs " : "") + devices[i];
  std::vector<std::string> columns = {"Case", "Resolution", "Frames", "Steps", "Precision"};
  for (const std::string& device : devices) columns.push_back(device + " Time(s)");
  if (devices.size() == 2) columns.push_back(fmt::format("Speedup ({} vs {})", devices[1], devices[0]));
  Table table(columns);
  std::vector<std::string> titles;
  for (const ShownCase& shown : cases)
    if (std::find(titles.begin(), titles.end(), shown.title()) == titles.end()) titles.push_back(shown.title());
  for (const std::string& title : titles) {
    const auto any = std::find_if(cases.begin(), cases.end(), [&](const ShownCase& c) { return c.title() == title; });
    const Workload& work = any->summary.example->workload;
    table.begin_row();
    table.text(title);
    table.text(size_text(work));
    table.text(or_dash(work.num_frames));
    table.text(or_dash(work.steps));
    table.text(std::string(to_string(work.precision_class)));
    for (const std::string& device : devices) {
      const ShownCase* shown = find_case(cases, device, title);
      table.text(shown == nullptr ? "–" : shown->time_cell());
    }
    if (devices.size() == 2)
      table.text(speedup_cell(find_case(cases, devices[0], title), find_case(cases, devices[1], title)));
  }
  return out + "\n\n" + table.markdown();
}

std::string device_table(const std::vector<const ShownCase*>& cases, bool has_gpu) {
  std::vector<std::string> columns = {"Case",    "Res",  "Frames",  "Steps", "Precision",
                                      "Offload", "Runs", "Time(s)", "s/step"};
  for (const char* column : {"Mem(GiB)", "SM(%)", "Load(SM·s)", "Power(W)", "Energy(J)"})
    if (has_gpu) columns.push_back(column);
  if (!has_gpu) columns.insert(columns.end(), {"Process Mem(GiB)", "CPU(cores)"});
  columns.push_back("Status");
  Table table(columns);
  for (const ShownCase* shown : cases) {
    const CaseSummary& s = shown->summary;
    const Workload& work = s.example->workload;
    const StageSummary* total = s.stage(kTotalName);
    static const StageSummary kNoStage;
    const StageSummary& whole = total != nullptr ? *total : kNoStage;
    table.begin_row();
    table.text(shown->title());
    table.text(size_text(work));
    table.text(or_dash(work.num_frames));
    table.text(or_dash(work.steps));
    table.text(std::string(to_string(work.precision_class)));
    table.text(work.offload.empty() ? "–" : work.offload);
    table.text(shown->runs_cell());
    table.text(shown->time_cell());
    table.value(s.steady_step_s, seconds);
    if (has_gpu) {
      table.value(s.peak_device_bytes, gib);
      table.value(whole.sm_active_percent, percent);
      table.value(s.sm_seconds, seconds);
      table.value(whole.power_w, percent);
      table.value(s.energy_j, percent);
    } else {
      table.value(s.peak_host_bytes, gib);
      table.value(whole.cpu_cores, seconds);
    }
    table.text(shown->status_cell());
  }
  return table.markdown();
}

/// What the runs have in common, as the first of them says it; commits and cards of all.
std::string host_lines(const RunRecord& run, const std::vector<const RunRecord*>& runs) {
  const SystemInfo& system = run.system;
  std::string out;
  if (!system.host.empty() || !system.cpu_model.empty())
    out += fmt::format("- **Host**: {}{}{}, {} cores allowed, {} RAM, {}{}\n", system.host,
                       system.host.empty() ? "" : ": ", system.cpu_model,
                       system.cores_allowed.has() ? std::to_string(*system.cores_allowed.value) : "–",
                       system.ram_bytes.has() ? gib(double(*system.ram_bytes.value)) + " GiB" : "–", system.kernel,
                       system.container.empty() || system.container == "none" ? "" : ", " + system.container);
  std::map<std::string, GpuInfo> gpus;  // by UUID: a kind of card may be several cards
  for (const RunRecord* each : runs)
    for (const GpuInfo& gpu : each->system.gpus) gpus.emplace(gpu.uuid, gpu);
  for (const auto& [uuid, gpu] : gpus)
    out += fmt::format("- **GPU**: {} ({}), {} GiB, driver {}, power limit {} W\n", gpu.name, gpu.uuid,
                       gpu.memory_bytes.has() ? gib(double(*gpu.memory_bytes.value)) : "–", gpu.driver,
                       gpu.power_limit_w.has() ? percent(*gpu.power_limit_w.value) : "–");
  if (!run.tool.version.empty())
    out += fmt::format("- **Program**: {} {}, {}, {}{}\n", run.engine.name, run.tool.version, commits_of(runs),
                       run.tool.build, run.tool.cuda.empty() ? "" : ", CUDA " + run.tool.cuda);
  const auto libraries = run.engine.facts.find("libraries");
  if (libraries != run.engine.facts.end()) out += fmt::format("- **Libraries**: {}\n", libraries->second);
  return out;
}

std::string device_section(const std::string& device, const std::deque<ShownCase>& all,
                           const std::vector<CardPeak>& peaks) {
  std::vector<const ShownCase*> cases;
  for (const ShownCase& shown : all)
    if (device_of(shown, all) == device) cases.push_back(&shown);
  const bool has_gpu = std::any_of(cases.begin(), cases.end(), [](const ShownCase* c) { return c->on_gpu(); });
  std::vector<const RunRecord*> runs;
  for (const ShownCase* shown : cases)
    runs.insert(runs.end(), shown->summary.group.runs.begin(), shown->summary.group.runs.end());
  std::string out = "\n## " + device + "\n\n" + host_lines(*cases.front()->summary.example, runs) + "\n";
  out += device_table(cases, has_gpu);
  if (!has_gpu) out += "\nGPU columns are left out: the runs did not use a GPU.\n";
  out += "\n### Detailed Breakdown\n";
  for (const ShownCase* shown : cases) out += case_section(*shown, peaks);
  return out;
}

}  // namespace

std::string markdown_report(const std::vector<const RunRecord*>& records, const std::vector<CardPeak>& peaks) {
  // A deque: summaries point into the records kept beside them.
  std::deque<ShownCase> cases;
  for (const RunGroup& group : group_runs(records)) {
    const bool only_warmups =
        std::all_of(group.runs.begin(), group.runs.end(), [](const RunRecord* run) { return run->run_case.warmup; });
    if (!only_warmups) cases.push_back(show_case(group));
  }
  const std::vector<std::string> devices = devices_of(cases);
  std::string out = "# Wan2.2 Benchmark Report";
  out += devices.size() > 1 ? ": Multi-GPU Comparison\n\n" : devices.empty() ? "\n\n" : ": " + devices[0] + "\n\n";
  if (devices.empty()) return out + "No run to report.\n";
  out += performance_summary(cases, devices);
  std::vector<const ShownCase*> shown;
  for (const ShownCase& each : cases) shown.push_back(&each);
  out += cards_markdown(shown) + fit_markdown(shown);
  out += "\n---\n\n# Detailed Reports\n";
  for (const std::string& device : devices) out += device_section(device, cases, peaks);
  return out + imported_markdown(records);
}

}  // namespace wan::report
