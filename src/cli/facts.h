// What a command found out, one fact after another, before it is said as text or as JSON.
#pragma once

#include <string>
#include <vector>

#include "cli/json_document.h"

namespace wan::cli {

struct Fact {
  std::string key;    // in JSON
  std::string label;  // in the text; empty: goes on with the fact before it
  std::string text;
  OrderedJson value;   // the same as numbers and truth values; null where there is none
  std::string reason;  // of a null, and of a no
};

struct FactSection {
  enum class Form { kOnce, kOneOfMany };  // in JSON: an object, or one of a list
  std::string key;
  std::string title;
  Form form = Form::kOnce;
  std::vector<Fact> facts;

  void add(std::string fact, std::string label, std::string text, OrderedJson value, std::string reason = {});
  /// A yes, with what there is to say of it.
  void add_yes(std::string fact, std::string label, const std::string& more = {}, const std::string& separator = ": ");
  /// A no and its reason.
  void add_no(std::string fact, std::string label, const std::string& reason);
};

/// Each section under its title, in 80 columns.
void print_facts(const std::vector<FactSection>& sections);

/// Adds a member for each key of a section; those of a list are told apart by their places.
void put_facts(OrderedJson& document, const std::vector<FactSection>& sections);

}  // namespace wan::cli
