#include "base/stage.h"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace wan {
namespace {

constexpr std::string_view kStepPrefix = "Step_", kPreprocessSuffix = "_Preprocess";

/// Stages that every model has under one name.
constexpr std::array<std::pair<StageRole, std::string_view>, 5> kNames{{
    {StageRole::kInitialization, "Model_Initialization"},
    {StageRole::kTextEncoding, "T5_Encoding"},
    {StageRole::kVaeEncoding, "VAE_Encoding"},
    {StageRole::kVaeDecoding, "VAE_Decoding"},
    {StageRole::kOutputEncoding, "Output_Encoding"},
}};
/// What follows a step's number.
constexpr std::array<std::pair<StageRole, std::string_view>, 2> kStepNames{{
    {StageRole::kStepLoading, "_Loading"},
    {StageRole::kStepInference, "_Inference"},
}};

StageId step_from_name(std::string_view name) {
  constexpr int kMostSteps = 99999;
  const char* begin = name.data() + kStepPrefix.size();
  int index = 0;
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), index);
  if (error != std::errc{} || index < 0 || index > kMostSteps) return {};
  for (const auto& [role, suffix] : kStepNames)
    if (name.substr(static_cast<size_t>(end - name.data())) == suffix) return {role, index};
  return {};
}

StageId known_from_name(std::string_view name) {
  for (const auto& [role, published] : kNames)
    if (name == published) return {role};
  if (name.starts_with(kStepPrefix)) return step_from_name(name);
  if (name.ends_with(kPreprocessSuffix)) return {StageRole::kPreprocess};
  return {};
}

}  // namespace

std::string published_name(StageRole role, int index, std::string_view model) {
  for (const auto& [known, published] : kNames)
    if (known == role) return std::string(published);
  for (const auto& [known, suffix] : kStepNames)
    if (known == role) return fmt::format("{}{}{}", kStepPrefix, index, suffix);
  return role == StageRole::kPreprocess ? fmt::format("{}{}", model, kPreprocessSuffix) : "";
}

StageId stage_from_name(std::string name) {
  StageId id = known_from_name(name);
  id.name = std::move(name);
  return id;
}

}  // namespace wan
