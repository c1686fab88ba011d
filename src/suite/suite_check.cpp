#include "suite/suite_check.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <type_traits>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "base/near_words.h"
#include "model/variant.h"
#include "pipeline/request_json.h"
#include "pipeline/request_options.h"
#include "suite/suite_json.h"

namespace wan::suite {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kLongestMessage = 600;  // of one problem: a wrong value may be a whole file

/// What the model's row is asked about at once: a refusal is of one of these fields.
struct Aspect {
  const char* fields;
  std::vector<std::string> keys;
};
const std::array kAspects{
    Aspect{"image", {"image", "last_image"}},
    Aspect{"width, height", {"image", "width", "height"}},
    Aspect{"num_frames", {"num_frames", "image", "last_image"}},
    Aspect{"guidance", {"guidance_scale", "guidance_scale_2", "guidance_low", "guidance_high"}},
    Aspect{"boundary", {"boundary"}},
    Aspect{"recipe, steps, shift, solver, split_step",
           {"recipe", "steps", "shift", "solver", "boundary", "split_step"}},
    Aspect{"device, precision",
           {"device", "precision", "dit_precision", "quantize", "whole_blocks", "whole_steps", "vae_precision",
            "text_encoder_device"}},
    Aspect{"gpu_memory_limit", {"gpu_memory_limit", "device"}},
};

std::vector<std::string> option_keys() {
  std::vector<std::string> keys;
  const Request any;
  request_options([&](const Option& option, const auto&, const auto&) { keys.emplace_back(option.key); }, any);
  return keys;
}

bool is_output(const std::string& key) {
  bool found = false;
  const Request any;
  request_options(
      [&](const Option& option, const auto&, const auto&) { found |= option.key == key && option.is_output(); }, any);
  return found;
}

/// `message` without what it begins with: the place is told by other means.
std::string without(std::string message, const std::string& begin) {
  return message.starts_with(begin) ? message.substr(begin.size()) : message;
}

class Checker {
 public:
  explicit Checker(const fs::path& file) : keys_(option_keys()) { check_.file = file; }

  SuiteCheck run() && {
    Json json;
    if (attempt({}, [&] { json = suite_json(read_text(check_.file), check_.file); })) check_top(json);
    return std::move(check_);
  }

 private:
  using Action = std::function<void()>;

  void add(const std::string& field, std::string message) {
    if (check_.problems.size() == kMostProblems) return;
    message = without(without(std::move(message), check_.file.string() + ": "), ": ");
    message = without(std::move(message), fmt::format("field '{}' ", field));
    if (message.size() > kLongestMessage) message.resize(kLongestMessage), message += "...";
    const bool known = std::any_of(check_.problems.begin(), check_.problems.end(), [&](const SuiteProblem& p) {
      return p.case_number == number_ && p.message == message;
    });
    if (!known) check_.problems.push_back({number_, name_, field, std::move(message)});
  }
  /// Whether `action` refused nothing.
  bool attempt(const std::string& field, const Action& action) {
    try {
      action();
      return true;
    } catch (const Error& problem) {
      add(field, problem.what());
      return false;
    }
  }

  void check_top(const Json& json) {
    if (!json.is_object()) return add("", "must be an object with named fields");
    const std::vector<std::string> known{"schema", "format", "name", "version", "model", "notes", "defaults", "cases"};
    for (const auto& [key, value] : json.items())
      if (std::find(known.begin(), known.end(), key) == known.end()) unknown(key, known);
    std::string schema, notes;
    int format = 0;
    JsonReader reader(json, "");
    if (attempt("schema", [&] { reader.read("schema", schema); }) && schema != kSuiteSchema)
      add("schema", fmt::format("must be \"{}\"", kSuiteSchema));
    if (attempt("format", [&] { reader.read("format", format); }) && format != kSuiteFormat)
      add("format", fmt::format("is {}, this program reads {}", format, kSuiteFormat));
    attempt("name", [&] { reader.read("name", check_.name); });
    attempt("version", [&] { reader.read("version", check_.version); });
    attempt("model", [&] { reader.read("model", model_); });
    attempt("notes", [&] { reader.read("notes", notes); });
    if (check_.name.empty()) add("name", "a suite needs one");
    if (!model_.empty() && !is_ours(model_))
      add("model", fmt::format("'{}' is none of {}", model_, model_names_text()));
    defaults_ = json.value("defaults", Json::object());
    if (defaults_.is_null()) defaults_ = Json::object();
    defaults_are_good_ = check_fields("defaults: ", defaults_);
    const Json cases = json.value("cases", Json());
    if (!cases.is_array() || cases.empty()) return add("cases", "must be a list with a case in it");
    for (size_t i = 0; i < cases.size(); ++i) check_case(cases[i], i + 1);
  }

  static bool is_ours(const std::string& model) {
    const std::vector<std::string> names = model_names();
    return std::find(names.begin(), names.end(), model) != names.end();
  }

  void unknown(const std::string& key, const std::vector<std::string>& known) {
    const std::string near = did_you_mean(key, known);
    add(key,
        near.empty() ? fmt::format("unknown field; known fields: {}", fmt::join(known, ", ")) : "unknown field" + near);
  }

  /// Every field of an object by itself; returns whether all are good.
  bool check_fields(const std::string& place, const Json& object) {
    if (!object.is_object()) return add("", place + "must be an object with named fields"), false;
    std::vector<std::string> known{"name", "aliases", "notes"};
    known.insert(known.end(), keys_.begin(), keys_.end());
    const size_t before = check_.problems.size();
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        unknown(key, known);
      } else if (is_output(key)) {
        add(key, "is chosen by the run, not by a suite");
      } else {
        const Json alone{{key, value}};
        attempt(key, [&, name = key] {
          Case any;
          JsonReader reader(alone, "");
          reader.read("name", any.name);
          reader.read("aliases", any.aliases);
          reader.read("notes", any.notes);
          read_request(reader, any.request);
        });
      }
    }
    return check_.problems.size() == before;
  }

  void check_case(const Json& json, size_t number) {
    number_ = number;
    name_ = name_of(json);
    CheckedCase checked{name_, {}, std::nullopt, "has_problems"};
    const size_t before = check_.problems.size();
    bool good = check_fields("", json) && defaults_are_good_;
    if (name_.empty()) name_ = name_of(defaults_);
    if (!name_.empty())
      good &= attempt("name", [&] { check_case_name(name_, ""); });
    else if (good)
      add("name", "a case needs one");
    if (good && !name_.empty()) {
      Case details;
      const std::string where = where_of(json, "", number);
      if (attempt("", [&] { details = without_place(json, where); })) check_good_case(details, checked);
    }
    if (!name_.empty() && !names_.insert(name_).second) add("name", "another case has the same name");
    if (check_.problems.size() > before) checked.decided.reset(), checked.undecided = "has_problems";
    check_.cases.push_back(std::move(checked));
  }
  static std::string name_of(const Json& json) {
    if (!json.is_object() || !json.contains("name") || !json["name"].is_string()) return {};
    return json["name"].get<std::string>();
  }
  /// Refusals of the case as a whole, without its place in front.
  Case without_place(const Json& json, const std::string& where) const {
    try {
      return read_case(defaults_, json, where);
    } catch (const Error& problem) {
      throw Error(problem.kind(), without(problem.what(), where + ": "));
    }
  }

  void check_good_case(Case& details, CheckedCase& checked) {
    Request& request = details.request;
    resolve_paths(request, check_.file.parent_path());
    check_files(request);
    std::error_code missing;
    const bool lacks_image = !request.image.empty() && !fs::is_regular_file(request.image, missing);
    if (lacks_image) request.image.clear();  // which is said by now
    if (lacks_image || !fs::is_regular_file(request.last_image, missing)) request.last_image.clear();
    checked.model = request.model.empty() ? model_ : request.model;
    if (checked.model.empty()) {
      checked.undecided = "no_model_named";
      if (request.random_weights) add("model", "random_weights needs the model whose sizes they have: name one");
    } else if (!is_ours(checked.model)) {
      checked.undecided = "not_a_model_of_this_program";
    } else if (!lacks_image || variant_named(checked.model).image.presence != Presence::kRequired) {
      check_against_row(request, checked);
    }
  }

  /// Whether it fits is seen by the run, which has the weights.
  static void require_lora(const std::string& text, std::string_view flag) {
    const fs::path file = lora_choice(text, flag).file;
    std::error_code missing;
    require(fs::is_regular_file(file, missing) || fs::is_directory(file, missing),
            fmt::format("there is no file {}", file.string()));
  }

  /// A checkpoint may lie elsewhere on the machine that runs it; the rest comes with the suite.
  void check_files(const Request& request) {
    request_options(
        [&](const Option& option, const auto& member, const auto&) {
          if constexpr (std::is_same_v<std::remove_cvref_t<decltype(member)>, fs::path>) {
            std::error_code missing;
            if (member.empty() || option.flag == flags::kCheckpoint || fs::is_regular_file(member, missing)) return;
            add(std::string(option.key), fmt::format("there is no file {}", member.string()));
          } else if constexpr (std::is_same_v<std::remove_cvref_t<decltype(member)>, std::vector<std::string>>) {
            for (const std::string& text : member)
              attempt(std::string(option.key), [&] { require_lora(text, option.name()); });
          }
        },
        request);
  }

  /// What the engine would refuse of a checkpoint of the model's published sizes, aspect by aspect.
  void check_against_row(const Request& request, CheckedCase& checked) {
    const Variant& row = variant_named(checked.model);
    const size_t before = check_.problems.size();
    const bool needs_image = row.image.presence == Presence::kRequired;
    for (const Aspect& aspect : kAspects) {
      Request part = only(request, aspect.keys);
      if (needs_image) part.image = request.image;
      complete(part, request, checked.model);
      const bool fits = attempt(aspect.fields, [&] { decide(part); });
      if (!fits && &aspect == &kAspects.front()) break;  // the others would be refused for the image, too
    }
    if (check_.problems.size() > before) return;
    Request whole = request;
    complete(whole, request, checked.model);
    attempt("", [&] { checked.decided = decide(whole); });
    checked.undecided.clear();
  }
  static Request only(const Request& request, const std::vector<std::string>& keys) {
    const Json all = Json::parse(request_json(request));
    Json some = Json::object();
    for (const std::string& key : keys)
      if (all.contains(key)) some[key] = all[key];
    return request_from_json(some.dump());
  }
  static void complete(Request& part, const Request& request, const std::string& model) {
    part.checkpoint.clear();
    part.lora = part.lora_high = part.lora_low = {};  // made for the checkpoint's sizes, which may be others
    part.model = model;
    part.random_weights = true;
    part.device = request.device.empty() ? "cuda:0" : request.device;  // nothing is opened
  }

  SuiteCheck check_;
  std::vector<std::string> keys_;
  std::string model_;  // of the suite
  Json defaults_;
  bool defaults_are_good_ = false;
  size_t number_ = 0;
  std::string name_;
  std::set<std::string> names_;
};

}  // namespace

SuiteCheck check_suite(const fs::path& file) { return Checker(file).run(); }

std::string problem_text(const fs::path& file, const SuiteProblem& problem) {
  std::string text = file.string();
  if (problem.case_number > 0) text += fmt::format(": case {}", problem.case_number);
  if (!problem.case_name.empty()) text += fmt::format(" '{}'", problem.case_name);
  if (!problem.field.empty()) text += fmt::format(": field '{}'", problem.field);
  return text + ": " + problem.message;
}

}  // namespace wan::suite
