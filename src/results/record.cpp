// Look-ups in a record.
#include "results/record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "results/contradictions.h"
#include "results/enum_names.h"

namespace wan {

std::string_view to_string(PrecisionClass value) { return enum_name(value); }
std::string_view to_string(RunScope value) { return enum_name(value); }
std::string_view to_string(PageCache value) { return enum_name(value); }
std::string_view to_string(EngineKind value) { return enum_name(value); }
std::string_view to_string(RunStatus value) { return enum_name(value); }
std::string_view to_string(StageKind value) { return enum_name(value); }
std::string_view to_string(KernelKind value) { return enum_name(value); }

std::string text_of(const WeightsFile& file) {
  return file.strength ? fmt::format("{} x {}", file.digest, *file.strength) : file.digest;
}

std::string build_text(const ToolInfo& tool) {
  std::string text = fmt::format("{}, commit {}", tool.version, tool.git_commit.empty() ? "unknown" : tool.git_commit);
  if (tool.git_dirty) text += ", changed";
  if (!tool.program_sha256.empty()) text += ", program " + tool.program_sha256.substr(0, 12);
  return text;
}

const StageRecord* total_stage(const RunRecord& record) {
  for (const StageRecord& stage : record.stages) {
    if (stage.kind == StageKind::kParent && stage.parent.empty()) return &stage;
  }
  return nullptr;
}

const StageRecord* find_stage(const RunRecord& record, std::string_view id) {
  for (const StageRecord& stage : record.stages) {
    if (stage.id == id) return &stage;
  }
  return nullptr;
}

std::string reason_not_counted(const RunRecord& run) {
  if (run.run_case.warmup) return "warmup";
  if (run.status != RunStatus::kOk) return fmt::format("status {}", to_string(run.status));
  for (const ValidityFlag& flag : run.validity) {
    if (flag.excludes) return fmt::format("flag {}: {}", flag.name, flag.detail);
  }
  if (run.stages.empty()) return "no stages";
  if (const auto wrong = contradictions(run); !wrong.empty())
    return fmt::format("contradicts itself: {}", fmt::join(wrong, "; "));
  return {};
}

}  // namespace wan
