#include "analysis/table_head.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace wan {

void require_table(JsonReader& table, const std::string& where, std::string_view name) {
  nlohmann::json head = nlohmann::json::object();
  table.read("schema", head);
  JsonReader version(head, where + ": schema");
  std::string found;
  int64_t major = 0;
  version.read("name", found);
  version.read("major", major);
  require(found == name && major == 1,
          fmt::format("{}: expected a {} table of version 1, found {} {}", where, name, found, major));
}

}  // namespace wan
