#include "report/markdown.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "analysis/plain_words.h"
#include "report/ablation.h"
#include "report/answer.h"
#include "report/cards.h"
#include "report/cards_picture.h"
#include "report/case_section.h"
#include "report/escape.h"
#include "report/fidelity.h"
#include "report/fit.h"
#include "report/format.h"
#include "report/imported.h"
#include "report/load.h"
#include "report/mlperf.h"

namespace wan::report {
namespace {

std::string size_text(const Workload& work) {
  return work.width && work.height ? fmt::format("{}*{}", *work.width, *work.height) : "–";
}

template <class T>
std::string or_dash(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "–";
}

/// Machines in order of appearance.
std::vector<std::string> machines_of(const ReportView& view) {
  std::vector<std::string> machines;
  for (const CaseView& shown : view.cases) {
    const std::string machine = view.machine_of(shown);
    if (std::find(machines.begin(), machines.end(), machine) == machines.end()) machines.push_back(machine);
  }
  return machines;
}

/// Of several groups of one title, such as runs with a known and an unknown page cache, the first whose runs count.
const CaseView* find_case(const ReportView& view, const std::string& machine, const std::string& title) {
  const CaseView* found = nullptr;
  for (const CaseView& shown : view.cases) {
    if (view.machine_of(shown) != machine || shown.title != title) continue;
    if (!shown.failed) return &shown;
    if (found == nullptr) found = &shown;
  }
  return found;
}

/// Cases against devices; with two devices their comparison, split into GPU and host.
std::string performance_summary(const ReportView& view, const std::vector<std::string>& devices) {
  std::string out = "## Performance Summary: ";
  for (size_t i = 0; i < devices.size(); ++i) out += (i > 0 ? " vs " : "") + markdown_text(devices[i]);
  std::vector<std::string> columns = {"Case", "Resolution", "Frames", "Steps", "Precision"};
  for (const std::string& device : devices) columns.push_back(device + " Time(s)");
  const bool has_fidelity = has_fidelity_cells(view);
  if (has_fidelity) columns.insert(columns.end(), {"Fidelity", "Noise Floor"});
  if (devices.size() == 2) columns.push_back(fmt::format("Speedup ({} vs {})", devices[1], devices[0]));
  Table table(columns);
  std::vector<std::string> titles;
  for (const CaseView& shown : view.cases)
    if (std::find(titles.begin(), titles.end(), shown.title) == titles.end()) titles.push_back(shown.title);
  for (const std::string& title : titles) {
    const auto any =
        std::find_if(view.cases.begin(), view.cases.end(), [&](const CaseView& c) { return c.title == title; });
    const Workload& work = any->example().workload;
    table.begin_row();
    table.text(title);
    table.text(size_text(work));
    table.text(or_dash(work.num_frames));
    table.text(or_dash(work.steps));
    const auto judged = std::find_if(view.cases.begin(), view.cases.end(),
                                     [&](const CaseView& c) { return c.title == title && !c.fidelity.empty(); });
    const CaseView& with_fidelity = judged == view.cases.end() ? *any : *judged;
    table.text(class_cell(with_fidelity));
    for (const std::string& device : devices) {
      const CaseView* shown = find_case(view, device, title);
      table.text(shown == nullptr ? "–" : time_cell(*shown));
    }
    if (has_fidelity) add_fidelity_cells(table, with_fidelity);
    if (devices.size() == 2)
      table.markup(speedup_cell(find_case(view, devices[0], title), find_case(view, devices[1], title)));
  }
  return out + "\n\n" + table.markdown();
}

std::string device_table(const std::vector<const CaseView*>& cases, bool has_gpu) {
  std::vector<std::string> columns = {"Case",    "Res",  "Frames",  "Steps", "Precision",
                                      "Offload", "Runs", "Time(s)", "s/step"};
  for (const char* column : {"Mem(GiB)", "SM(%)", "Load(SM·s)", "Power(W)", "Energy(J)"})
    if (has_gpu) columns.push_back(column);
  if (!has_gpu) columns.insert(columns.end(), {"Process Mem(GiB)", "CPU(cores)"});
  columns.push_back("Status");
  const bool has_fidelity =
      std::any_of(cases.begin(), cases.end(), [](const CaseView* c) { return c->fidelity_cell.has_value(); });
  if (has_fidelity) columns.insert(columns.end(), {"Fidelity", "Noise Floor"});
  Table table(columns);
  for (const CaseView* shown : cases) {
    const CaseSummary& s = shown->numbers();
    const Workload& work = s.example->workload;
    const StageSummary& whole = shown->whole();
    table.begin_row();
    table.text(shown->title);
    table.text(size_text(work));
    table.text(or_dash(work.num_frames));
    table.text(or_dash(work.steps));
    table.text(class_cell(*shown));
    table.text(work.offload.empty() ? "–" : work.offload);
    table.text(runs_cell(*shown));
    table.text(time_cell(*shown));
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
    const std::string status = shown->failed ? plain_reason(shown->failed->reason) : "ok";
    table.text(shown->refuted.empty() ? status : status + "; CLASS REFUTED: " + shown->refuted);
    if (has_fidelity) add_fidelity_cells(table, *shown);
  }
  return table.markdown();
}

/// What the runs have in common, as the first of them says it; commits and cards of all.
std::string host_lines(const RunRecord& run, const std::vector<const RunRecord*>& runs) {
  const SystemInfo& system = run.system;
  std::string out;
  if (!system.host.empty() || !system.cpu_model.empty())
    out += fmt::format(
        "- **Host**: {}{}{}, {} cores allowed, {} RAM, {}{}\n", markdown_text(system.host),
        system.host.empty() ? "" : ": ", markdown_text(system.cpu_model),
        system.cores_allowed.has() ? std::to_string(*system.cores_allowed.value) : "–",
        system.ram_bytes.has() ? gib(double(*system.ram_bytes.value)) + " GiB" : "–", markdown_text(system.kernel),
        system.container.empty() || system.container == "none" ? "" : ", " + markdown_text(system.container));
  std::map<std::string, GpuInfo> gpus;  // by UUID: a kind of card may be several cards
  for (const RunRecord* each : runs)
    for (const GpuInfo& gpu : each->system.gpus) gpus.emplace(gpu.uuid, gpu);
  for (const auto& [uuid, gpu] : gpus)
    out += fmt::format("- **GPU**: {} ({}), {} GiB, driver {}, power limit {} W\n", markdown_text(gpu.name),
                       markdown_text(gpu.uuid), gpu.memory_bytes.has() ? gib(double(*gpu.memory_bytes.value)) : "–",
                       markdown_text(gpu.driver), gpu.power_limit_w.has() ? percent(*gpu.power_limit_w.value) : "–");
  if (!run.tool.version.empty())
    out +=
        fmt::format("- **Program**: {}\n",
                    markdown_text(fmt::format("{} {}, {}, {}{}", run.engine.name, run.tool.version, commits_of(runs),
                                              run.tool.build, run.tool.cuda.empty() ? "" : ", CUDA " + run.tool.cuda)));
  const auto libraries = run.engine.facts.find("libraries");
  if (libraries != run.engine.facts.end())
    out += fmt::format("- **Libraries**: {}\n", markdown_text(libraries->second));
  return out;
}

std::string device_section(const std::string& machine, const ReportView& view) {
  std::vector<const CaseView*> cases;
  std::vector<const RunRecord*> runs;
  for (const CaseView& shown : view.cases) {
    if (view.machine_of(shown) != machine) continue;
    cases.push_back(&shown);
    runs.insert(runs.end(), shown.summary.group.runs.begin(), shown.summary.group.runs.end());
  }
  const bool has_gpu = std::any_of(cases.begin(), cases.end(), [](const CaseView* c) { return c->on_gpu; });
  std::string out = "\n## " + markdown_text(machine) + "\n\n" + host_lines(cases.front()->example(), runs) + "\n";
  out += device_table(cases, has_gpu);
  if (!has_gpu) out += "\nGPU columns are left out: the runs did not use a GPU.\n";
  out += "\n### Detailed Breakdown\n";
  for (const CaseView* shown : cases) out += case_section(*shown);
  return out;
}

}  // namespace

std::string markdown_report(const ReportView& view) {
  const std::vector<std::string> machines = machines_of(view);
  std::string out = "# Wan2.2 Benchmark Report";
  out += machines.size() > 1 ? ": Multi-GPU Comparison\n\n"
         : machines.empty()  ? "\n\n"
                             : ": " + markdown_text(machines[0]) + "\n\n";
  if (machines.empty()) return out + (view.loads.empty() ? "No run to report.\n" : loads_markdown(view));
  out += answer_markdown(answer_of(view));
  out += ablations_markdown(view) + loads_markdown(view);
  out += performance_summary(view, machines);
  if (!cards_picture(view).empty()) out += "\n![Seconds and cents a video, by card](cards.svg)\n";
  out += fidelity_charts_markdown(view);
  out += cards_markdown(view.cards) + mlperf_markdown(view.mlperf) + fit_markdown(view.fit);
  out += "\n---\n\n# Detailed Reports\n";
  for (const std::string& machine : machines) out += device_section(machine, view);
  return out + imported_markdown(view.records);
}

}  // namespace wan::report
