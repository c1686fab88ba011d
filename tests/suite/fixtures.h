// A suite without a model: planned cases that the fake engine can run.
#pragma once

#include <string>
#include <vector>

#include "suite/runner.h"

namespace wan::suite::test {

inline Suite small_suite() {
  Suite suite{"small", "1", {}};
  for (const auto& [name, steps] : {std::pair{"one", 1}, {"two", 2}, {"three", 3}}) {
    Case details;
    details.name = name;
    details.request.width = 32;
    details.request.height = 32;
    details.request.num_frames = 5;
    details.request.steps = steps;
    details.request.device = "cpu";
    suite.cases.push_back(details);
  }
  return suite;
}

inline std::vector<PlannedCase> planned(const Suite& suite) {
  std::vector<PlannedCase> plan;
  for (const Case& details : suite.cases) {
    PlannedCase entry{details, {}, "key-of-" + details.name};
    entry.workload.steps = details.request.steps;
    entry.workload.prompt = "a cat";
    plan.push_back(entry);
  }
  return plan;
}

inline RunOptions options(const std::filesystem::path& output, const std::string& engine, const std::string& mode,
                          int milliseconds) {
  RunOptions result;
  result.output = output;
  result.engine = {engine, mode, std::to_string(milliseconds)};
  result.grace = {0.3};
  return result;
}

/// The fact a fake engine tells in the middle of decoding, before it hangs.
inline constexpr const char* kHanging = "hanging";

/// Shows nothing, keeps the notes.
class Silent : public Display {
 public:
  void run_begins(const PlannedCase&, const Job&, int64_t, int64_t) override {}
  void message(const Message&) override {}
  void tick(const measure::Samples&) override {}
  void run_ends(const std::vector<RunRecord>&) override {}
  void note(const std::string& text) override { notes.push_back(text); }
  std::vector<std::string> notes;
};

/// The record's flag of that name; null: it has none. A test that expects others than the machine's (cpu_interference
/// on a loaded one) looks for their names.
inline const ValidityFlag* flag_of(const RunRecord& record, std::string_view name) {
  for (const ValidityFlag& flag : record.validity)
    if (flag.name == name) return &flag;
  return nullptr;
}

}  // namespace wan::suite::test
