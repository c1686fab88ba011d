// Names of cards, counted.
#include "results/device_name.h"

#include <algorithm>

#include <fmt/format.h>

namespace wan {

std::string gpu_text(const SystemInfo& system) {
  std::string out;
  for (auto first = system.gpus.begin(); first != system.gpus.end();) {
    const auto end =
        std::find_if(first, system.gpus.end(), [&](const GpuInfo& gpu) { return gpu.name != first->name; });
    if (!out.empty()) out += " + ";
    if (end - first > 1) out += fmt::format("{}x ", end - first);
    out += first->name;
    first = end;
  }
  return out;
}

std::string device_name(const RunRecord& record) {
  const bool on_cpu = record.system.gpus.empty() || record.engine.device.starts_with("cpu");
  const std::string name = on_cpu ? record.system.cpu_model : gpu_text(record.system);
  return name.empty() ? kUnknownMachine : name;
}

}  // namespace wan
