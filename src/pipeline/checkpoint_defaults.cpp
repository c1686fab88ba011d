#include "pipeline/checkpoint_defaults.h"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_parse.h"
#include "base/json_reader.h"
#include "model/dit_quantization.h"
#include "model/official_layout.h"
#include "pipeline/recipe_names.h"
#include "pipeline/request_json.h"

namespace wan {
namespace {

constexpr const char* kSchema = "wanbench.checkpoint";
constexpr int kFormat = 1;
constexpr uint64_t kMostBytes = uint64_t{1} << 16;

constexpr std::array<std::string_view, 14> kKeys{"width",        "height",     "num_frames",      "recipe",
                                                 "steps",        "shift",      "guidance_scale",  "guidance_scale_2",
                                                 "boundary",     "split_step", "negative_prompt", "quantize",
                                                 "whole_blocks", "whole_steps"};

void refuse_other_keys(const nlohmann::json& defaults, const JsonReader& reader) {
  for (const auto& [key, value] : defaults.items())
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
      throw reader.error(fmt::format("'{}' is no default of a checkpoint; there are {}", key, fmt::join(kKeys, ", ")));
}

bool has_guidance(const Request& request) {
  return request.guidance_scale || request.guidance_scale_2 || request.guidance_low || request.guidance_high;
}

bool says_quantized(const Request& request) {
  return !request.quantize.empty() || request.whole_blocks || request.whole_steps;
}

bool leaves_quantized_open(const Request& request) {
  const auto dit = request.dit_precision ? request.dit_precision : request.precision;
  return dit == Precision::k8Bit && !says_quantized(request);
}

}  // namespace

Request read_checkpoint_defaults(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kCheckpointDefaultsName;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  const nlohmann::json json = parse_json(read_text(file, kMostBytes), file.string(), JsonComments::kRefused);
  std::string schema;
  int format = 0;
  nlohmann::json values = nlohmann::json::object();
  JsonReader whole(json, file.string());
  whole.read("schema", schema);
  whole.read("format", format);
  whole.read("defaults", values);
  whole.refuse_unknown();
  if (schema != kSchema) throw whole.error(fmt::format("'schema' must be \"{}\"", kSchema));
  if (format != kFormat) throw whole.error(fmt::format("'format' is {}, this program reads {}", format, kFormat));
  JsonReader reader(values, file.string() + ": defaults");
  refuse_other_keys(values, reader);
  Request defaults;
  read_request(reader, defaults);
  if ((defaults.width > 0) != (defaults.height > 0)) throw reader.error("'width' and 'height' go together");
  if (!defaults.quantize.empty()) {
    try {
      dit_quantization(defaults.quantize, "'quantize'");
    } catch (const Error& error) {
      throw reader.error(error.what());
    }
  }
  return defaults;
}

Request with_defaults(Request request, const Request& defaults) {
  const std::string own = defaults.recipe.empty() ? std::string(kOfficialRecipe) : defaults.recipe;
  if (request.recipe.empty()) request.recipe = own;
  if (request.width == 0) request.width = defaults.width;
  if (request.height == 0) request.height = defaults.height;
  if (request.num_frames == 0) request.num_frames = defaults.num_frames;
  if (request.negative_prompt.empty()) request.negative_prompt = defaults.negative_prompt;
  if (leaves_quantized_open(request)) {
    request.quantize = defaults.quantize;
    request.whole_blocks = defaults.whole_blocks;
    request.whole_steps = defaults.whole_steps;
  }
  if (request.recipe != own) return request;
  if (request.steps == 0) request.steps = defaults.steps;
  if (!request.shift) request.shift = defaults.shift;
  if (!request.boundary && !request.split_step) {
    request.boundary = defaults.boundary;
    request.split_step = defaults.split_step;
  }
  if (!has_guidance(request)) {
    request.guidance_scale = defaults.guidance_scale;
    request.guidance_scale_2 = defaults.guidance_scale_2;
  }
  return request;
}

}  // namespace wan
