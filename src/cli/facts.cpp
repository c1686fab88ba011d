#include "cli/facts.h"

#include <utility>

#include <fmt/format.h>

#include "base/terminal.h"
#include "cli/columns.h"

namespace wan::cli {

void FactSection::add(std::string fact, std::string label, std::string text, OrderedJson value, std::string reason) {
  facts.push_back({std::move(fact), std::move(label), std::move(text), std::move(value), std::move(reason)});
}

void FactSection::add_yes(std::string fact, std::string label, const std::string& more, const std::string& separator) {
  add(std::move(fact), std::move(label), more.empty() ? "yes" : "yes" + separator + more, true);
}

void FactSection::add_no(std::string fact, std::string label, const std::string& reason) {
  add(std::move(fact), std::move(label), "no: " + reason, false, reason);
}

void print_facts(const std::vector<FactSection>& sections) {
  for (const FactSection& section : sections) {
    print("{}\n", section.title);
    for (const Fact& fact : section.facts) {
      const std::string label = fmt::format("  {:<22} ", fact.label);
      print("{}{}", label, Lines{wrapped(fact.text, label.size(), 0).text.substr(label.size())});
    }
  }
}

void put_facts(OrderedJson& document, const std::vector<FactSection>& sections) {
  for (const FactSection& section : sections) {
    OrderedJson object = OrderedJson::object();
    for (const Fact& fact : section.facts) object[fact.key] = json_value(fact.value, fact.reason);
    if (section.form == FactSection::Form::kOneOfMany)
      document[section.key].push_back(std::move(object));
    else
      document[section.key] = std::move(object);
  }
}

}  // namespace wan::cli
