// A suite: benchmark cases as data. Each case carries all its parameters; a field the file leaves out is the model's
// own default, and the record says what that was.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/request.h"

namespace wan::suite {

struct Case {
  std::string name;
  std::vector<std::string> aliases;  // older or misleading names of the same case
  std::string notes;                 // the truth beside them, for people
  Request request;                   // without output, frames and dump
};

struct Suite {
  std::string name;
  std::string version;  // of the cases, set by their author
  std::vector<Case> cases;
  std::string model = {};  // of random weights, for the cases that name none
};

/// The format version this program reads.
inline constexpr int kSuiteFormat = 1;

/// Reads a suite from JSON or TOML text, by `file`'s extension. Throws Error(kInput) naming the file, the case and the
/// field for an unknown field, a wrong type, a missing or repeated name, or a newer format.
Suite parse_suite(const std::string& text, const std::filesystem::path& file);

/// The same from a file; relative paths inside it are taken from the file's folder.
Suite read_suite(const std::filesystem::path& file);

}  // namespace wan::suite
