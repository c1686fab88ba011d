#include "cli/json_document.h"

#include <utility>

#include <CLI/CLI.hpp>

#include "base/terminal.h"

namespace wan::cli {

void add_json_flag(CLI::App& command, Wording& wording) {
  command.add_flag_callback(
      "--json", [&wording] { wording = Wording::kJson; }, "one JSON document on standard output (docs/formats.md)");
}

OrderedJson json_document(std::string_view schema, int major, int minor) {
  OrderedJson document;
  document["schema"] = {{"name", schema}, {"major", major}, {"minor", minor}};
  return document;
}

OrderedJson json_value(OrderedJson value, std::string_view reason) {
  OrderedJson out;
  out["value"] = std::move(value);
  if (!reason.empty())
    out["reason"] = reason;
  else if (out["value"].is_null())
    out["reason"] = "not_known";
  return out;
}

void print_json(const OrderedJson& document) {
  constexpr int kIndent = 1;
  print_raw(document.dump(kIndent, ' ', /*ensure_ascii=*/true, OrderedJson::error_handler_t::replace) + "\n");
}

}  // namespace wan::cli
