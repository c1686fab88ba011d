// plan.json of a results folder, read back: what a run that goes on there must be for.
#pragma once

#include <map>
#include <set>
#include <string>

namespace wan::suite {

struct StoredPlan {
  std::set<std::string> keys;  // of its cases
  /// By a case's key, the digests of the files that it reads beside weights; none of a plan that has not recorded them.
  std::map<std::string, std::string> inputs;
  std::string program;  // digest of the program that began it; empty: it does not say
};

/// Never throws: a plan that cannot be read has no keys, and so is that of no run.
StoredPlan read_plan(const std::string& plan_json);

}  // namespace wan::suite
