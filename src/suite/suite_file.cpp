// Suite files, read whole.
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "suite/case.h"
#include "suite/suite_json.h"

namespace wan::suite {
namespace {

using Json = nlohmann::json;

Error input_error(const std::filesystem::path& file, const std::string& what) {
  return Error(ErrorKind::kInput, file.string() + ": " + what);
}

}  // namespace

Suite parse_suite(const std::string& text, const std::filesystem::path& file) {
  const Json json = suite_json(text, file);
  Suite suite;
  std::string schema;
  int format = 0;
  Json defaults, cases;
  JsonReader reader(json, file.string());
  reader.read("schema", schema);
  reader.read("format", format);
  reader.read("name", suite.name);
  reader.read("version", suite.version);
  reader.read("model", suite.model);
  reader.read("defaults", defaults);
  reader.read("cases", cases);
  std::string notes;
  reader.read("notes", notes);
  reader.refuse_unknown();
  if (schema != kSuiteSchema) throw input_error(file, "'schema' must be \"wanbench.suite\"");
  if (format != kSuiteFormat)
    throw input_error(file, fmt::format("'format' is {}, this program reads {}", format, kSuiteFormat));
  if (suite.name.empty()) throw input_error(file, "a suite needs a 'name'");
  if (!cases.is_array() || cases.empty()) throw input_error(file, "'cases' must be a list with a case in it");
  std::set<std::string> names;
  for (size_t i = 0; i < cases.size(); ++i) {
    suite.cases.push_back(read_case(defaults, cases[i], where_of(cases[i], file, i + 1)));
    if (!names.insert(suite.cases.back().name).second)
      throw input_error(file, fmt::format("two cases are named '{}'", suite.cases.back().name));
  }
  return suite;
}

Suite read_suite(const std::filesystem::path& file) {
  Suite suite = parse_suite(read_text(file), file);
  for (Case& details : suite.cases) resolve_paths(details.request, file.parent_path());
  return suite;
}

}  // namespace wan::suite
