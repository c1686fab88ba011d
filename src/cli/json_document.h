// The JSON that commands write on standard output with --json: one document, what it is first of all, in ASCII, so that
// no text in it steers a terminal.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "results/record.h"

namespace CLI {
class App;
}

namespace wan::cli {

using OrderedJson = nlohmann::ordered_json;

/// How a command says what it found. Both say the same.
enum class Wording { kText, kJson };

/// --json, which sets `wording`.
void add_json_flag(CLI::App& command, Wording& wording);

/// {"schema": {"name": ..., "major": ..., "minor": ...}}, to be filled.
OrderedJson json_document(std::string_view schema, int major, int minor);

/// {"value": value}; of null {"value": null, "reason": reason}. A reason that goes with a value, as of a no, stays.
OrderedJson json_value(OrderedJson value, std::string_view reason = {});

template <class T>
OrderedJson json_value(const Measured<T>& measured) {
  return measured.has() ? json_value(OrderedJson(*measured.value)) : json_value(nullptr, measured.reason);
}

/// To standard output, with a line feed behind it. Throws Error(kRuntime) when that fails.
void print_json(const OrderedJson& document);

}  // namespace wan::cli
