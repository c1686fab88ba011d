// The parts of a suite's file as JSON values, for those that read it whole and for the one that looks for all its
// faults.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "suite/case.h"

namespace wan::suite {

inline constexpr std::string_view kSuiteSchema = "wanbench.suite";

/// What the text holds, JSON or TOML by `file`'s extension. Throws Error(kInput) naming the file, in TOML with the
/// line.
nlohmann::json suite_json(const std::string& text, const std::filesystem::path& file);

/// "s.json: case 1 'a'", for messages; a name that is no text is left out.
std::string where_of(const nlohmann::json& json, const std::filesystem::path& file, size_t number);

/// A case over the suite's defaults. Throws Error(kInput), begun with `where`, naming the field.
Case read_case(const nlohmann::json& defaults, const nlohmann::json& json, const std::string& where);

/// Throws Error(kInput), begun with `where`, unless the name can be part of a file's.
void check_case_name(const std::string& name, const std::string& where);

/// Paths in the file are seen from its folder.
void resolve_paths(Request& request, const std::filesystem::path& folder);

}  // namespace wan::suite
