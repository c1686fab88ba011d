#include "base/stage.h"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace wan {
namespace {

constexpr std::string_view kClipPrefix = "Clip_", kStepPrefix = "Step_", kPreprocessSuffix = "_Preprocess";
constexpr int kMostNumber = 99999;

/// Stages that every model has under one name.
constexpr std::array<std::pair<StageRole, std::string_view>, 8> kNames{{
    {StageRole::kInitialization, "Model_Initialization"},
    {StageRole::kTextEncoding, "T5_Encoding"},
    {StageRole::kAudioEncoding, "Audio_Encoding"},
    {StageRole::kImageEncoding, "Image_Encoding"},
    {StageRole::kFaceEncoding, "Face_Encoding"},
    {StageRole::kVaeEncoding, "VAE_Encoding"},
    {StageRole::kVaeDecoding, "VAE_Decoding"},
    {StageRole::kOutputEncoding, "Output_Encoding"},
}};
/// What follows a step's number.
constexpr std::array<std::pair<StageRole, std::string_view>, 2> kStepNames{{
    {StageRole::kStepLoading, "_Loading"},
    {StageRole::kStepInference, "_Inference"},
}};

/// The number at the beginning of `text`, which then begins behind it; -1 for none.
int take_number(std::string_view& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0 || number > kMostNumber) return -1;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return number;
}

StageId step_from_name(std::string_view name) {
  name.remove_prefix(kStepPrefix.size());
  const int index = take_number(name);
  if (index < 0) return {};
  for (const auto& [role, suffix] : kStepNames)
    if (name == suffix) return {role, index};
  return {};
}

StageId known_from_name(std::string_view name) {
  for (const auto& [role, published] : kNames)
    if (name == published) return {role};
  if (name.starts_with(kStepPrefix)) return step_from_name(name);
  if (name.ends_with(kPreprocessSuffix)) return {StageRole::kPreprocess};
  return {};
}

StageId clip_from_name(std::string_view name) {
  name.remove_prefix(kClipPrefix.size());
  const int clip = take_number(name);
  if (clip < 0 || !name.starts_with('_')) return {};
  StageId id = known_from_name(name.substr(1));
  if (id.role != StageRole::kOther) id.clip = clip;
  return id;
}

}  // namespace

std::string published_name(StageRole role, int index, std::string_view model, int clip) {
  if (clip >= 0 && role != StageRole::kOther)
    return fmt::format("{}{}_{}", kClipPrefix, clip, published_name(role, index, model));
  for (const auto& [known, published] : kNames)
    if (known == role) return std::string(published);
  for (const auto& [known, suffix] : kStepNames)
    if (known == role) return fmt::format("{}{}{}", kStepPrefix, index, suffix);
  return role == StageRole::kPreprocess ? fmt::format("{}{}", model, kPreprocessSuffix) : "";
}

StageId stage_from_name(std::string name) {
  StageId id = name.starts_with(kClipPrefix) ? clip_from_name(name) : known_from_name(name);
  id.name = std::move(name);
  return id;
}

}  // namespace wan
