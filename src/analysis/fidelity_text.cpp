#include "analysis/fidelity_text.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace wan {
namespace {

constexpr std::string_view kLora = "lora";

/// Whether matrices are stored in types that hold a published value as it is, or as rounded once.
bool is_stored_whole(std::string_view types) {
  constexpr std::array<std::string_view, 4> kWhole{"F32", "BF16", "F16", "random"};
  while (!types.empty()) {
    const size_t end = std::min(types.find('+'), types.size());
    if (std::find(kWhole.begin(), kWhole.end(), types.substr(0, end)) == kWhole.end()) return false;
    types.remove_prefix(std::min(end + 1, types.size()));
  }
  return true;
}

bool is_as_published(const RunRecord& record) {
  const Workload& work = record.workload;
  const bool is_official = work.recipe.empty() || work.recipe == "official";
  if (!is_official || !work.approximations.empty() || !loras_text(work).empty()) return false;
  if (!record.execution.has()) return true;
  const auto& stored = record.execution.value->stored;
  return std::all_of(stored.begin(), stored.end(), [](const auto& part) { return is_stored_whole(part.second); });
}

}  // namespace

std::string fidelity_text(const RunRecord& record) {
  if (record.engine.kind != EngineKind::kNative || is_as_published(record)) return {};
  const std::string used = "against the weights and the recipe that were used";
  return record.output.quality.empty() ? used + "; against the published weights: not measured" : used;
}

std::string loras_text(const Workload& work) {
  std::string text;
  for (const WeightsFile& file : work.weights) {
    if (!file.strength || !file.component.starts_with(kLora)) continue;
    const size_t dot = file.component.find('.');
    text += fmt::format("{}{} x {}{}", text.empty() ? "" : ", ", file.file, *file.strength,
                        dot == std::string::npos ? "" : fmt::format(" ({})", file.component.substr(dot + 1)));
  }
  return text;
}

std::string images_text(const Workload& work) {
  constexpr size_t kDigits = 8;
  std::string text;
  const auto add = [&](const char* frame, const std::string& digest) {
    if (!digest.empty())
      text += fmt::format("{}{} frame SHA-256 {}", text.empty() ? "" : ", ", frame, digest.substr(0, kDigits));
  };
  add("first", work.image_sha256);
  add("last", work.last_image_sha256);
  return text;
}

}  // namespace wan
