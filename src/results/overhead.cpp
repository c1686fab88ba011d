#include "results/overhead.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace wan {
namespace {

using Json = nlohmann::ordered_json;

Json tool_json(const ToolInfo& tool) {
  return {{"version", tool.version},
          {"git_commit", tool.git_commit},
          {"git_dirty", tool.git_dirty},
          {"build", tool.build},
          {"cuda", tool.cuda}};
}

ToolInfo tool_from(const Json& json) {
  return {json.at("version"), json.at("git_commit"), json.at("git_dirty"), json.at("build"), json.at("cuda")};
}

OverheadResult result_from(const Json& json) {
  OverheadResult result;
  result.created_utc = json.at("created_utc");
  result.tool = tool_from(json.at("tool"));
  result.device = json.at("device");
  result.gpu_uuid = json.at("gpu_uuid");
  result.counters = json.at("counters");
  result.counters_not_read = json.at("counters_not_read");
  result.work = json.at("work");
  result.period_ms = json.at("period_ms");
  result.steps_in_block = json.at("steps_in_block");
  for (const Json& pair : json.at("pairs")) result.pairs.push_back({pair.at("off_s"), pair.at("on_s")});
  result.step_s = json.at("step_s");
  result.percent = json.at("overhead_percent");
  result.low_percent = json.at("overhead_low_percent");
  result.high_percent = json.at("overhead_high_percent");
  result.limit_percent = json.at("limit_percent");
  result.sampler_core_percent = json.at("sampler_core_percent");
  return result;
}

}  // namespace

std::string to_json(const OverheadResult& result) {
  Json json;
  json["schema"] = {{"name", kOverheadSchema}, {"major", kOverheadMajor}, {"minor", kOverheadMinor}};
  json["created_utc"] = result.created_utc;
  json["tool"] = tool_json(result.tool);
  json["device"] = result.device;
  json["gpu_uuid"] = result.gpu_uuid;
  json["counters"] = result.counters;
  json["counters_not_read"] = result.counters_not_read;
  json["work"] = result.work;
  json["period_ms"] = result.period_ms;
  json["steps_in_block"] = result.steps_in_block;
  json["pairs"] = Json::array();
  for (const OverheadPair& pair : result.pairs) json["pairs"].push_back({{"off_s", pair.off_s}, {"on_s", pair.on_s}});
  json["step_s"] = result.step_s;
  json["overhead_percent"] = result.percent;
  json["overhead_low_percent"] = result.low_percent;
  json["overhead_high_percent"] = result.high_percent;
  json["limit_percent"] = result.limit_percent;
  json["sampler_core_percent"] = result.sampler_core_percent;
  return json.dump(1) + "\n";
}

OverheadResult overhead_from_json(const std::string& text, const std::string& file) {
  try {
    const Json json = Json::parse(text);
    const Json& schema = json.at("schema");
    require(schema.at("name") == kOverheadSchema,
            fmt::format("{}: expected schema {}, found {}", file, kOverheadSchema, schema.at("name").dump()));
    require(schema.at("major") == kOverheadMajor,
            fmt::format("{}: this program reads {} {}, the file is {}: use a newer wanbench", file, kOverheadSchema,
                        kOverheadMajor, schema.at("major").dump()));
    return result_from(json);
  } catch (const nlohmann::json::exception& problem) {
    throw Error(ErrorKind::kInput, fmt::format("{}: {}", file, problem.what()));
  }
}

}  // namespace wan
