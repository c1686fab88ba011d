// Everything that is wrong with a suite's file, found without weights: types and bounds of every field, and what the
// named model's row says of sizes, frames, steps, guidance and images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/decisions.h"

namespace wan::suite {

struct SuiteProblem {
  size_t case_number = 0;  // from 1; 0: of the suite itself
  std::string case_name;   // empty where it has none
  std::string field;       // or fields, "width, height"; empty: of the whole
  std::string message;
};

struct CheckedCase {
  std::string name;
  std::string model;                 // its own, else the suite's; empty: the checkpoint decides
  std::optional<Decisions> decided;  // with the published sizes of that model; nothing: see `undecided`
  std::string undecided;             // why: no_model_named, not_a_model_of_this_program, has_problems
};

struct SuiteCheck {
  std::filesystem::path file;
  std::string name, version;  // empty where they are not said
  std::vector<CheckedCase> cases;
  std::vector<SuiteProblem> problems;  // at most kMostProblems
};

inline constexpr size_t kMostProblems = 1000;

/// Never throws for what is in the file or its absence: that is a problem.
SuiteCheck check_suite(const std::filesystem::path& file);

/// "s.json: case 1 'a': field 'steps': must be ..."
std::string problem_text(const std::filesystem::path& file, const SuiteProblem& problem);

}  // namespace wan::suite
