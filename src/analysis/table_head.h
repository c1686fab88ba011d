// The head of a JSON table that comes with the program.
#pragma once

#include <string_view>

#include "base/json_reader.h"

namespace wan {

/// Throws Error(kInput) naming `where` unless the table's `schema` has this name and major version 1; a minor one may
/// have more.
void require_table(JsonReader& table, const std::string& where, std::string_view name);

}  // namespace wan
