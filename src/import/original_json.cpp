// Reader of the original's JSON reports, in both spellings of their keys.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_parse.h"
#include "import/fill.h"
#include "import/import.h"

namespace wan {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxStages = 10'000;
constexpr double kMiBPerGiB = 1024;

class JsonReader {
 public:
  JsonReader(const Json& json, const std::string& file) : json_(json), file_(file) {}

  RunRecord read(const ImportOptions& options) const {
    RunRecord record = imported_record(file_, "original-json");
    record.run_case.name = options.case_name.empty() ? std::filesystem::path(file_).stem().string() : options.case_name;
    if (!json_.is_object()) fail("top", "an object");
    const Json* stages = find(json_, "stages");
    if (stages == nullptr || !stages->is_array()) fail("stages", "an array of stages");
    if (stages->size() > kMaxStages) fail("stages", fmt::format("at most {} stages", kMaxStages));
    take_system(record);
    for (size_t i = 0; i < stages->size(); ++i) take_stage(record, (*stages)[i], fmt::format("stages[{}]", i));
    if (record.stages.empty()) fail("stages", "at least one stage");
    if (!options.gpu_name.empty()) record.system.gpus[0].name = options.gpu_name;
    for (const char* key : {"total_duration", "total_duration_sec", "max_memory_used_mb", "total_compute_load"}) {
      if (const Json* value = find(json_, key)) record.imported->printed[key] = value->dump();
    }
    finish_record(record);
    return record;
  }

 private:
  [[noreturn]] void fail(const std::string& where, const std::string& expected) const {
    throw Error(ErrorKind::kInput, fmt::format("{}: {}: expected {} of the original's report", file_, where, expected));
  }
  static const Json* find(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() ? nullptr : &*found;
  }

  std::optional<double> number(const Json& object, const char* key, const std::string& where) const {
    const Json* value = find(object, key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    const double out = value->is_number() ? value->get<double>() : NAN;
    if (!std::isfinite(out) || std::abs(out) > 1e12) fail(where + "." + key, "a finite number");
    return out;
  }

  void take_system(RunRecord& record) const {
    GpuInfo gpu = named_gpu("");
    if (const Json* system = find(json_, "system_info"); system != nullptr && system->is_object()) {
      for (const char* key : {"pytorch_version", "cuda_version"}) {
        const Json* value = find(*system, key);
        if (value != nullptr && value->is_string()) record.engine.versions[key] = value->get<std::string>();
      }
      if (const Json* info = find(*system, "gpu_info"); info != nullptr && info->is_object()) {
        const Json* name = find(*info, "name");
        if (name != nullptr && name->is_string()) gpu.name = name->get<std::string>();
        const auto memory = number(*info, "total_memory_gb", "system_info.gpu_info");  // bytes / 1024^3
        if (memory && *memory > 0) {
          gpu.memory_bytes = measured(static_cast<uint64_t>(std::llround(*memory * 1024 * 1024 * 1024)), "imported");
        }
      }
    }
    record.system.gpus.push_back(gpu);
  }

  void take_stage(RunRecord& record, const Json& json, const std::string& where) const {
    if (!json.is_object()) fail(where, "an object");
    const Json* name = find(json, "name");
    if (name == nullptr) name = find(json, "stage");
    if (name == nullptr || !name->is_string() || name->get_ref<const std::string&>().empty()) {
      fail(where, "the key 'name' or 'stage' with a text");
    }
    OriginalStage stage;
    stage.name = name->get<std::string>();
    if (stage.name.size() > 200) fail(where, "a stage name of at most 200 characters");
    if (find_stage(record, stage.name) != nullptr) fail(where, fmt::format("'{}' only once in the stages", stage.name));
    auto seconds = number(json, "duration", where);
    if (!seconds) seconds = number(json, "duration_sec", where);
    if (!seconds) fail(where, "the key 'duration' or 'duration_sec'");
    if (*seconds < 0 || *seconds > 1e9) fail(where, "a duration of 0 to 1e9 seconds");
    stage.seconds = *seconds;
    if (const auto peak = number(json, "peak_memory_mb", where)) stage.peak_gib = std::max(0.0, *peak) / kMiBPerGiB;
    stage.cpu_percent = number(json, "cpu_utilization", where);
    stage.system_gib = number(json, "system_memory_peak_gb", where);
    stage.sm_percent = number(json, "sm_activity", where);
    stage.busy_percent = number(json, "gpu_utilization", where);
    stage.tensor_percent = number(json, "tensor_core_utilization", where);
    stage.load = number(json, "compute_load", where);
    if (stage.system_gib && *stage.system_gib < 0) fail(where, "a system memory of 0 or more");
    std::map<std::string, std::string> printed;
    for (const auto& [key, value] : json.items()) {
      if (printed.size() < 64 && !value.is_structured())
        printed[key] = value.is_string() ? value.get<std::string>() : value.dump();
    }
    add_stage(record, stage, std::move(printed));
  }

  const Json& json_;
  const std::string& file_;
};

}  // namespace

RunRecord read_original_json(std::string_view text, const std::string& file_name, const ImportOptions& options) {
  const Json json = parse_json(text, file_name);
  return JsonReader(json, file_name).read(options);
}

}  // namespace wan
