#include "report/kernels.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/escape.h"
#include "report/format.h"

namespace wan::report {
namespace {

using Json = nlohmann::json;

Json kernel_data(const KernelShare& kernel) {
  return {{"name", kernel.name},       {"kind", kernel.kind},   {"count", kernel.count},
          {"seconds", kernel.seconds}, {"share", kernel.share}, {"mean_us", kernel.mean_us}};
}

Json view_data(const KernelView& view) {
  Json kinds = Json::array(), kernels = Json::array();
  for (const KindShare& kind : view.kinds)
    kinds.push_back({{"name", kind.name},
                     {"count", kind.count},
                     {"seconds", kind.seconds},
                     {"share", kind.share},
                     {"total_seconds", kind.total_seconds}});
  for (const KernelShare& kernel : view.kernels) kernels.push_back(kernel_data(kernel));
  if (view.unlisted) kernels.push_back(kernel_data(*view.unlisted));
  return {{"stages", view.stages},
          {"stage_count", view.stage_count},
          {"seconds", view.seconds},
          {"kinds", std::move(kinds)},
          {"kernels", std::move(kernels)}};
}

std::string kinds_table(const KernelView& view) {
  Table table({"Kind", "Time (s)", "Share (%)", "Hidden included (s)", "Count"});
  for (const KindShare& kind : view.kinds) {
    table.begin_row();
    table.text(kind.name);
    table.text(seconds(kind.seconds));
    table.text(percent(100 * kind.share));
    table.text(seconds(kind.total_seconds));
    table.text(kind.count > 0 ? fmt::format("{}", kind.count) : "");
  }
  return table.markdown();
}

std::string kernels_table(const KernelView& view) {
  constexpr size_t kShown = 10;
  Table table({"Kernel", "Kind", "Time (s)", "Share (%)", "Count", "Mean (us)"});
  for (size_t i = 0; i < view.kernels.size() && i < kShown; ++i) {
    const KernelShare& kernel = view.kernels[i];
    table.begin_row();
    table.markup(markdown_code(kernel.name));
    table.text(kernel.kind);
    table.text(seconds(kernel.seconds));
    table.text(percent(100 * kernel.share));
    table.text(fmt::format("{}", kernel.count));
    table.text(percent(kernel.mean_us));
  }
  return table.markdown();
}

/// "Kernels are missing: 300 without a time, ..."; empty when none is. A record may know the number alone.
std::string missing_text(const TracedRun& traced) {
  if (const std::string& why = traced.run->kernels->missing; !why.empty())
    return fmt::format("Kernels are missing: {}.", why);
  return traced.lost > 0 ? fmt::format("{} kernels are missing.", traced.lost) : "";
}

}  // namespace

Json kernels_data(const std::optional<TracedRun>& traced) {
  if (!traced) return nullptr;
  Json views = Json::array();
  for (const KernelView& view : traced->views) views.push_back(view_data(view));
  return {{"run_id", traced->run->id},
          {"source", traced->run->kernels->source},
          {"reason", traced->reason},
          {"missing", missing_text(*traced)},
          {"slowdown", traced->slowdown ? Json(*traced->slowdown) : Json(nullptr)},
          {"views", std::move(views)}};
}

std::string kernels_markdown(const std::optional<TracedRun>& traced) {
  if (!traced) return "";
  std::string out = fmt::format("\n##### Kernels of Traced Run {}\n\n", markdown_text(traced->run->id));
  if (traced->views.empty()) return out + fmt::format("None: {}.\n", markdown_text(traced->reason));
  out += "Watching each kernel slows a run: shares are meant, its times enter no estimate.";
  if (traced->slowdown)
    out += fmt::format(" A steady step took {:.3f} times as long as in the runs that count.", *traced->slowdown);
  if (const std::string missing = missing_text(*traced); !missing.empty()) out += " " + markdown_text(missing);
  out += "\n";
  for (const KernelView& view : traced->views)
    out += fmt::format("\n**{}** ({} s, {})\n\n{}\n{}", markdown_text(view.stages), seconds(view.seconds),
                       view.stage_count == 1 ? "1 stage" : fmt::format("{} stages", view.stage_count),
                       kinds_table(view), kernels_table(view));
  return out;
}

}  // namespace wan::report
