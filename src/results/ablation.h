// What an ablation is of: a case, and each way in which it was made or was to be made. ablation.json of its folder;
// what was measured stands in the records of the arms' names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wan {

inline constexpr std::string_view kAblationSchema = "wanbench.ablation_plan";
inline constexpr int kAblationMajor = 1, kAblationMinor = 0;
/// Beside the records' folder.
inline constexpr const char* kAblationFile = "ablation.json";

/// Among the facts of an arm's records: the case that it is an arm of, and that case's suite.
inline constexpr const char* kAblatedCaseFact = "ablation_case";
inline constexpr const char* kAblatedSuiteFact = "ablation_suite";
/// The arm that changes nothing.
inline constexpr const char* kDefaultArm = "default";

/// One way to make the case.
struct AblationArm {
  std::string name;                         // of the case in its records
  std::string lever;                        // what it changes: "step-cache"; empty of the first, which changes nothing
  std::string setting;                      // in options: "--step-cache magcache --cache-threshold 0.12"
  std::string why_not_run;                  // empty: it was run, or is to be
  std::optional<double> expected_s;         // of one video, before it is made
  std::optional<int64_t> forwards_planned;  // to be computed; empty: left open, or not known
  std::optional<int64_t> forwards_in_all;   // that a video without reuse computes; empty: not known
  std::vector<std::string> remarks;
  bool operator==(const AblationArm&) const = default;
};

struct Ablation {
  std::string case_name;
  bool random_weights = false;    // fidelity then says nothing of real ones
  std::vector<AblationArm> arms;  // the default first: baseline and reference of the others
  bool operator==(const Ablation&) const = default;
};

std::string to_json(const Ablation& ablation);

/// Inverse of it. Throws Error(kInput) that begins with `where` for another schema, a newer major version, a wrong
/// field, or more than 1000 arms.
Ablation ablation_from_json(const std::string& text, const std::string& where);

}  // namespace wan
