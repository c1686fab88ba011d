#include "pipeline/request.h"

#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "base/flags.h"
#include "model/variant.h"
#include "pipeline/request_options.h"

namespace wan {
namespace {

constexpr size_t kMostLoras = 100;

}  // namespace

WeightChoice Request::weights() const {
  WeightChoice choice{checkpoint, dit, dit_high, dit_low, text_encoder, vae, tokenizer, {}};
  const auto add = [&](const std::vector<std::string>& texts, const char* flag, std::string_view expert) {
    for (const std::string& text : texts) choice.loras.push_back(lora_choice(text, flag, expert));
  };
  add(lora, flags::kLora, "");
  add(lora_high, flags::kLoraHigh, expert_name(NoiseRange::kHigh));
  add(lora_low, flags::kLoraLow, expert_name(NoiseRange::kLow));
  require(choice.loras.size() <= kMostLoras,
          fmt::format("{} LoRAs are named; {} at most are added to a model", choice.loras.size(), kMostLoras),
          ErrorKind::kUsage);
  return choice;
}

LoraChoice lora_choice(std::string_view text, std::string_view flag, std::string_view expert) {
  require(text.find('\0') == std::string_view::npos, fmt::format("{}: a path has no byte of zero", flag),
          ErrorKind::kUsage);
  LoraChoice choice{text, 1, std::string(expert)};
  const size_t split = text.rfind('=');
  std::error_code ignored;
  if (split != std::string_view::npos && !std::filesystem::exists(choice.file, ignored)) {
    const std::string_view strength = text.substr(split + 1);
    const auto number = checked_number(strength, kLoraStrength);
    require(number.has_value(),
            fmt::format("{} {}: expected FILE or FILE=STRENGTH with a strength that is {}, found '{}'", flag, text,
                        describe(kLoraStrength), strength),
            ErrorKind::kUsage);
    choice.file = text.substr(0, split);
    choice.strength = *number;
  }
  require(!choice.file.empty(), fmt::format("{}: expected a path, found an empty text", flag), ErrorKind::kUsage);
  return choice;
}

}  // namespace wan
