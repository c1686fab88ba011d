// Reader of the results.json that Comfy Desktop's Performance Tests write for each session and its Benchmarks compare:
// one workflow on one machine, with the fastest, slowest, mean and median of its measured runs. Names of the user's
// workspace and instance stay out of the record.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/checked_number.h"
#include "base/error.h"
#include "base/json_number.h"
#include "base/json_parse.h"
#include "import/fill.h"
#include "import/import.h"

namespace wan {
namespace {

using Json = nlohmann::json;

constexpr double kMiB = 1024.0 * 1024.0;
constexpr Bounds<double> kSeconds{0, 1e9}, kMebibytes{0, 1e9};
constexpr Bounds<int64_t> kRuns{0, 1'000'000};
constexpr size_t kMaxText = 1000;

struct Durations {
  double fastest_s = 0, median_s = 0, mean_s = 0, slowest_s = 0;
};

/// A path of either family of systems as one that cuts at '/'.
std::string with_slashes(std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  return path;
}

class ResultsReader {
 public:
  ResultsReader(const Json& json, const std::string& file) : json_(json), file_(file) {}

  RunRecord read(const ImportOptions& options) const {
    RunRecord record = imported_record(file_, "comfy-performance-test");
    const std::string workflow = text(json_, "workflowName");
    if (workflow.empty()) fail("workflowName", "a text");
    record.run_case.name =
        options.case_name.empty() ? std::filesystem::path(with_slashes(workflow)).stem().string() : options.case_name;
    record.created_utc = time("createdAt");
    record.workload.scope = RunScope::kWarm;  // at least one run goes before the measured ones
    record.engine.name = "ComfyUI (Comfy Desktop)";
    record.engine.facts["workflow"] = std::filesystem::path(with_slashes(workflow)).filename().string();
    take_machine(record);
    if (!options.gpu_name.empty() && !record.system.gpus.empty()) record.system.gpus[0].name = options.gpu_name;
    take_durations(record);
    return record;
  }

 private:
  [[noreturn]] void fail(const std::string& where, const std::string& expected) const {
    throw Error(ErrorKind::kInput,
                fmt::format("{}: {}: expected {} of Comfy Desktop's results.json", file_, where, expected));
  }

  /// The member, or nullptr where it is absent or null.
  static const Json* find(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
  }
  std::string text(const Json& object, const char* key) const {
    const Json* value = find(object, key);
    if (value == nullptr) return "";
    if (!value->is_string() || value->get_ref<const std::string&>().size() > kMaxText)
      fail(key, fmt::format("a text of at most {} characters", kMaxText));
    return value->get<std::string>();
  }
  /// "2026-09-07T12:00:00.000Z"
  std::string time(const char* key) const {
    constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
    const std::string found = text(json_, key);
    const bool has_form = found.size() >= kForm.size() && found.size() <= kForm.size() + 10 && found.ends_with('Z') &&
                          std::equal(kForm.begin(), kForm.end(), found.begin(), [](char form, unsigned char c) {
                            return form == 'd' ? std::isdigit(c) != 0 : form == c;
                          });
    if (!found.empty() && !has_form) fail(key, "a time in UTC as '2026-09-07T12:00:00.000Z'");
    return found;
  }
  template <Number T>
  std::optional<T> number(const Json& object, const char* key, const Bounds<T>& bounds) const {
    const Json* value = find(object, key);
    if (value == nullptr) return std::nullopt;
    const auto found = json_number<T>(*value, bounds);
    if (!found) fail(key, fmt::format("a number from {} to {}", bounds.least, bounds.most));
    return found;
  }
  const Json& object(const char* key) const {
    static const Json kNone = Json::object();
    const Json* value = find(json_, key);
    if (value == nullptr) return kNone;
    if (!value->is_object()) fail(key, "an object");
    return *value;
  }
  Measured<uint64_t> bytes(const Json& from, const char* key) const {
    const auto mebibytes = number(from, key, kMebibytes);
    if (!mebibytes || *mebibytes == 0) return absent<uint64_t>("not_in_source");
    return measured(static_cast<uint64_t>(std::llround(*mebibytes * kMiB)), "imported");
  }

  /// `hardware` is what ComfyUI computed on; `systemInfo` what the operating system shows, which may be another card.
  void take_machine(RunRecord& record) const {
    const Json &hardware = object("hardware"), &system = object("systemInfo");
    record.system.cpu_model = text(system, "cpu_model");
    record.system.ram_bytes = bytes(hardware, "ramMb");
    const auto cores = number<int64_t>(system, "cpu_cores", {1, 1'000'000});
    record.system.cores_total = cores ? measured(*cores, "imported") : absent<int64_t>("not_in_source");
    for (const auto& [key, from] : {std::pair{"pytorchVersion", &hardware}, std::pair{"xformersVersion", &hardware},
                                    std::pair{"app_version", &system}})
      if (const std::string version = text(*from, key); !version.empty()) record.engine.versions[key] = version;
    if (const std::string backend = text(hardware, "backend"); !backend.empty())
      record.engine.facts["backend"] = backend;
    record.engine.device = text(hardware, "deviceType");
    if (record.engine.device == "cpu") return;
    if (const auto index = number<int64_t>(hardware, "deviceIndex", {0, 1000}))
      record.engine.device += fmt::format(":{}", *index);
    GpuInfo gpu = named_gpu(text(hardware, "deviceName"));
    gpu.memory_bytes = bytes(hardware, "vramMb");
    if (gpu.name.empty()) {
      gpu.name = text(system, "gpu_model");
      record.imported->findings.push_back({"card_not_recorded", "hardware.deviceName",
                                           "the card is the one that the system shows; which one computed is not said",
                                           std::nullopt, std::nullopt, ""});
    }
    if (record.engine.device.starts_with("cuda")) gpu.driver = text(system, "nvidia_driver_version");
    record.system.gpus.push_back(std::move(gpu));
  }

  void take_durations(RunRecord& record) const {
    const auto runs = number(json_, "measuredJobCount", kRuns);
    if (!runs) fail("measuredJobCount", "the number of measured runs");
    const int64_t failed = number(json_, "failedRunCount", kRuns).value_or(0);
    record.imported->printed["measuredJobCount"] = fmt::format("{}", *runs);
    record.imported->printed["failedRunCount"] = fmt::format("{}", failed);
    if (*runs == 0) return take_failure(record, failed);
    const auto seconds = [&](const char* key) {
      const auto value = number(json_, key, kSeconds);
      if (!value) fail(key, "the seconds");
      record.imported->printed[key] = fmt::format("{}", *value);
      return *value;
    };
    const Durations durations{seconds("fastestJobDurationSeconds"), seconds("medianJobDurationSeconds"),
                              seconds("averageJobDurationSeconds"), seconds("slowestJobDurationSeconds")};
    if (durations.median_s <= 0) fail("medianJobDurationSeconds", "more than 0 seconds");
    add_total(record, durations.median_s);
    record.validity.push_back(
        {"median_of_runs",
         fmt::format("the seconds are the median of {} runs: fastest {:g}, mean {:g}, slowest {:g} s", *runs,
                     durations.fastest_s, durations.mean_s, durations.slowest_s),
         "", false});
    add_remarks(record, durations, failed);
  }

  static void take_failure(RunRecord& record, int64_t failed) {
    record.status = RunStatus::kCrash;
    record.error = ErrorFacts{};
    record.error->message = fmt::format("no measured run succeeded, {} failed", failed);
    record.error->requested_bytes = record.error->free_bytes = absent<uint64_t>("not_in_source");
    record.error->exit_code = record.error->signal = absent<int64_t>("not_in_source");
  }

  static void add_remarks(RunRecord& record, const Durations& durations, int64_t failed) {
    std::vector<Finding>& findings = record.imported->findings;
    for (const auto& [name, value] : {std::pair{"median", durations.median_s}, std::pair{"mean", durations.mean_s}})
      if (value < durations.fastest_s || value > durations.slowest_s)
        findings.push_back({"aggregate_mismatch", name, "it is not between the fastest and the slowest run", value,
                            std::nullopt, "s"});
    if (failed > 0)
      findings.push_back({"failed_runs", "failedRunCount", "further runs failed and are in no statistic",
                          static_cast<double>(failed), std::nullopt, "runs"});
    findings.push_back({"outputs_reused", "measured runs",
                        "only seeds change from run to run: ComfyUI may take what does not depend on them, such as the "
                        "encoded text, from the run before",
                        std::nullopt, std::nullopt, ""});
  }

  const Json& json_;
  const std::string& file_;
};

}  // namespace

RunRecord read_comfy_results(std::string_view text, const std::string& file_name, const ImportOptions& options) {
  const Json json = parse_json(text, file_name);
  if (!json.is_object()) throw Error(ErrorKind::kInput, fmt::format("{}: expected an object", file_name));
  return ResultsReader(json, file_name).read(options);
}

}  // namespace wan
