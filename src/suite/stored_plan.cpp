#include "suite/stored_plan.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_parse.h"

namespace wan::suite {

StoredPlan read_plan(const std::string& plan_json) {
  StoredPlan stored;
  try {
    const auto plan = parse_json(plan_json, "plan.json");
    for (const auto& entry : plan.at("cases")) {
      stored.keys.insert(entry.at("key"));
      if (entry.contains("inputs")) stored.inputs[entry.at("key")] = entry.at("inputs");
    }
    stored.program = plan.value("program", "");
  } catch (const Error&) {
    return {};
  } catch (const nlohmann::json::exception&) {
    return {};
  }
  return stored;
}

}  // namespace wan::suite
