// Writing and reading records and what lies beside them: two visitors over the key lists of fields.h.
#include "results/json.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/hash.h"
#include "base/json_number.h"
#include "results/enum_names.h"
#include "results/fields.h"
#include "results/json_tree.h"
#include "results/overhead.h"

namespace wan {
namespace {

using Json = nlohmann::ordered_json;

/// What a file says it is, first of all.
struct Schema {
  std::string_view name;
  int major = 0, minor = 0;
};
constexpr Schema kRecord{kRecordSchema, kRecordMajor, kRecordMinor};
constexpr Schema kOverhead{kOverheadSchema, kOverheadMajor, kOverheadMinor};

struct AnyVisitor {
  void operator()(const char*, auto&) {}
  void added(const char*, auto&) {}
};

template <class T>
concept HasFields = requires(AnyVisitor& visit, T& record) {
  fields(visit, record);
};

// ---------------------------------------------------------------------------------------------------------- writing

class Writer {
 public:
  template <class T>
  void operator()(const char* key, const T& member) {
    json_[key] = encode(member);
  }
  template <class T>
  void added(const char* key, const T& member) {
    json_[key] = encode(member);
  }
  Json take() { return std::move(json_); }

  template <class T>
  static Json encode(const T& value);

 private:
  template <class T>
  static Json encode_one(const Measured<T>& value) {
    Json out;
    out["value"] = encode(value.value);
    if (out["value"].is_null()) {
      out["reason"] = !value.reason.empty() ? value.reason : value.value ? "not_finite" : "not_measured";
    } else {
      out["source"] = value.source;
    }
    return out;
  }
  template <class T>
  static Json encode_one(const std::optional<T>& value) {
    return value ? encode(*value) : Json(nullptr);
  }
  template <class T>
  static Json encode_one(const std::vector<T>& values) {
    Json::array_t out;
    out.reserve(values.size());
    for (const T& value : values) out.push_back(encode(value));
    return out;
  }
  template <class T>
  static Json encode_one(const std::map<std::string, T>& values) {
    Json out = Json::object();
    for (const auto& [key, value] : values) out[key] = encode(value);
    return out;
  }
  Json json_ = Json::object();
};

template <class T>
Json Writer::encode(const T& value) {
  if constexpr (NamedEnum<T>) {
    return std::string(enum_name(value));
  } else if constexpr (HasFields<const T>) {
    Writer writer;
    fields(writer, value);
    return writer.take();
  } else if constexpr (std::is_same_v<T, double>) {
    return std::isfinite(value) ? Json(value) : Json(nullptr);  // JSON has no NaN
  } else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::string>) {
    return value;
  } else {
    return encode_one(value);
  }
}

// ---------------------------------------------------------------------------------------------------------- reading

/// A place in the file, for messages: "run.json: stages[3].wall_ns". Points to the place around it.
class Place {
 public:
  Place(const std::string& file, const Schema& schema) : file_(file), schema_(schema) {}

  Place key(std::string_view name) const { return {*this, name, 0}; }
  Place element(size_t i) const { return {*this, {}, i}; }

  const std::string& file() const { return file_; }
  const Schema& schema() const { return schema_; }
  std::string path() const {
    if (around_ == nullptr) return "";
    const std::string before = around_->path();
    if (name_.empty()) return fmt::format("{}[{}]", before, element_);
    return before.empty() ? std::string(name_) : fmt::format("{}.{}", before, name_);
  }
  [[noreturn]] void fail(std::string_view expected, const JsonValue& found) const {
    constexpr size_t kMostShown = 60;
    throw Error(ErrorKind::kInput,
                fmt::format("{}: key '{}': expected {}, found {}", file_, path(), expected, found.excerpt(kMostShown)));
  }

 private:
  Place(const Place& around, std::string_view name, size_t element)
      : file_(around.file_), schema_(around.schema_), around_(&around), name_(name), element_(element) {}

  const std::string& file_;
  const Schema& schema_;
  const Place* around_ = nullptr;
  std::string_view name_;  // empty: an element
  size_t element_ = 0;
};

void require_object(const JsonValue& json, const Place& place) {
  if (!json.is_object()) place.fail("an object", json);
}

class Reader {
 public:
  Reader(const JsonValue& json, const Place& place) : json_(json), next_(json.first()), place_(place) {
    require_object(json, place);
  }

  template <class T>
  void operator()(const char* key, T& member) {
    const auto found = find(key);
    if (!found) {
      throw Error(ErrorKind::kInput,
                  fmt::format("{}: required key '{}' is absent; every {} {} file has it", place_.file(),
                              place_.key(key).path(), place_.schema().name, place_.schema().major));
    }
    decode(*found, member, place_.key(key));
  }
  template <class T>
  void added(const char* key, T& member) {
    if (const auto found = find(key)) decode(*found, member, place_.key(key));
  }

  static void decode(const JsonValue& json, std::string& out, const Place& place) {
    if (json.kind() != JsonKind::kText) place.fail("a text", json);
    out = json.text();
  }
  static void decode(const JsonValue& json, bool& out, const Place& place) {
    if (json.kind() != JsonKind::kBoolean) place.fail("true or false", json);
    out = json.boolean();
  }
  static void decode(const JsonValue& json, double& out, const Place& place) {
    const JsonKind kind = json.kind();
    const bool is_number = kind == JsonKind::kNumber || kind == JsonKind::kUnsigned || kind == JsonKind::kSigned;
    if (!is_number) place.fail("a number", json);
    out = json.number();
  }
  static void decode(const JsonValue& json, int64_t& out, const Place& place) {
    std::optional<int64_t> value;
    if (json.kind() == JsonKind::kUnsigned) value = checked_number(json.unsigned_number(), kTimes);
    if (json.kind() == JsonKind::kSigned) value = checked_number(json.signed_number(), kTimes);
    if (!value) place.fail(fmt::format("{}", describe(kTimes)), json);
    out = *value;
  }
  static void decode(const JsonValue& json, uint64_t& out, const Place& place) {
    if (json.kind() != JsonKind::kUnsigned) place.fail("a non-negative integer", json);
    out = json.unsigned_number();
  }
  template <NamedEnum E>
  static void decode(const JsonValue& json, E& out, const Place& place) {
    for (const auto& [value, word] : EnumNames<E>::kTable) {
      if (json.kind() != JsonKind::kText || json.text() != word) continue;
      out = value;
      return;
    }
    std::string words;
    for (const auto& [value, word] : EnumNames<E>::kTable) words += (words.empty() ? "" : ", ") + std::string(word);
    place.fail("one of " + words, json);
  }
  template <HasFields T>
  static void decode(const JsonValue& json, T& out, const Place& place) {
    Reader reader(json, place);
    fields(reader, out);
  }
  template <class T>
  static void decode(const JsonValue& json, std::optional<T>& out, const Place& place) {
    out.reset();
    if (!json.is_null()) decode(json, out.emplace(), place);
  }
  template <class T>
  static void decode(const JsonValue& json, Measured<T>& out, const Place& place) {
    out = {};  // a default's reason must not stay
    Reader reader(json, place);
    reader("value", out.value);
    reader(out.value ? "source" : "reason", out.value ? out.source : out.reason);
  }
  template <class T>
  static void decode(const JsonValue& json, std::vector<T>& out, const Place& place) {
    if (!json.is_array()) place.fail("an array", json);
    out.clear();
    out.reserve(json.size());
    JsonValue element = json.first();
    for (size_t i = 0; i < json.size(); ++i, element = element.next())
      decode(element, out.emplace_back(), place.element(i));
  }
  template <class T>
  static void decode(const JsonValue& json, std::map<std::string, T>& out, const Place& place) {
    require_object(json, place);
    out.clear();
    JsonValue member = json.first();
    for (size_t i = 0; i < json.size(); ++i, member = member.next())
      decode(member, out[std::string(member.key())], place.key(member.key()));
  }

 private:
  /// Files have their keys in the order of fields.h: the next member is looked at first.
  std::optional<JsonValue> find(std::string_view key) {
    const bool is_next = passed_ < json_.size() && next_.key() == key;
    const auto found = is_next ? std::optional(next_) : json_.find(key);
    if (!is_next) return found;
    next_ = next_.next();
    ++passed_;
    return found;
  }

  JsonValue json_;
  JsonValue next_;  // of json_'s members, `passed_` of them before it
  size_t passed_ = 0;
  const Place& place_;
};

template <class T>
Json document(const Schema& schema, const T& content) {
  Json out;
  out["schema"] = {{"name", schema.name}, {"major", schema.major}, {"minor", schema.minor}};
  Json body = Writer::encode(content);
  for (auto entry = body.begin(); entry != body.end(); ++entry) out[entry.key()] = std::move(entry.value());
  return out;
}

std::string pretty(const Json& json) { return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n"; }
std::string one_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// Returns the minor version.
int64_t check_schema(const JsonValue& json, const Place& top) {
  const Schema& known = top.schema();
  const auto schema = json.is_object() ? json.find("schema") : std::nullopt;
  if (!schema) {
    throw Error(ErrorKind::kInput,
                fmt::format("{}: expected a {} file with the key 'schema', found other JSON", top.file(), known.name));
  }
  const Place place = top.key("schema");
  Reader reader(*schema, place);
  std::string name;
  int64_t major = 0, minor = 0;
  reader("name", name);
  reader("major", major);
  reader("minor", minor);
  if (name != known.name) place.key("name").fail(fmt::format("'{}'", known.name), *schema->find("name"));
  if (major != known.major) {
    throw Error(ErrorKind::kInput,
                fmt::format("{}: schema version {}.{} cannot be read by this program, which knows major "
                            "version {}; {}",
                            top.file(), major, minor, known.major,
                            major > known.major ? "use a newer wanbench" : "no such version was published"));
  }
  return minor;
}

constexpr std::string_view kOfficialRecipe = "official";

/// What later minor versions keep in fields of their own. Before 1.3 there was the official recipe alone. Before 1.2 a
/// stage's role was in its name alone, and some values were kept among the engine's facts, which are for people now.
void bring_up_to_date(RunRecord& record, int64_t minor) {
  if (minor < 3 && record.engine.kind != EngineKind::kImported) record.workload.recipe = kOfficialRecipe;
  if (minor >= 2) return;
  for (StageRecord& stage : record.stages) {
    const bool is_part = stage.kind == StageKind::kHidden || stage.kind == StageKind::kComponent;
    stage.role = stage_from_name(is_part ? stage.parent : stage.name).role;
  }
  const auto move_fact = [&](const char* key, std::string& field) {
    const auto found = record.engine.facts.find(key);
    if (found == record.engine.facts.end() || !field.empty()) return;
    field = found->second;
    record.engine.facts.erase(found);
  };
  move_fact("case_key", record.run_case.key);
  if (record.kernels) move_fact("kernels_missing", record.kernels->missing);
  std::string predicted;
  move_fact("predicted_peak_bytes", predicted);
  uint64_t bytes = 0;
  const auto read = std::from_chars(predicted.data(), predicted.data() + predicted.size(), bytes);
  if (!predicted.empty() && read.ec == std::errc{} && read.ptr == predicted.data() + predicted.size())
    record.predicted_peak_bytes = measured(bytes, "engine");
}

/// Adds up the whole numbers of one key over many objects, as whoever shows them does with some: no such sum may leave
/// its type. Throws Error(kInput) naming the list and the key.
class Totals {
 public:
  Totals(const std::string& file, std::string_view list) : file_(file), list_(list) {}

  template <class T>
  void operator()(const char* key, const T& member) {
    if constexpr (std::is_same_v<T, int64_t>)
      add(key, member < 0 ? uint64_t{0} - static_cast<uint64_t>(member) : static_cast<uint64_t>(member));
    else if constexpr (std::is_same_v<T, uint64_t>)
      add(key, member);
    else if constexpr (std::is_same_v<T, Measured<int64_t>> || std::is_same_v<T, Measured<uint64_t>>)
      if (member.has()) (*this)(key, *member.value);
  }
  template <class T>
  void added(const char* key, const T& member) {
    (*this)(key, member);
  }

 private:
  void add(const char* key, uint64_t value) {
    constexpr uint64_t kMost = uint64_t{1} << 62;
    uint64_t& sum = sums_[key];
    if (value > kMost - sum)
      throw Error(ErrorKind::kInput,
                  fmt::format("{}: key '{}': the values of '{}' add up to more than {}", file_, list_, key, kMost));
    sum += value;
  }

  const std::string& file_;
  std::string_view list_;
  std::map<std::string_view, uint64_t> sums_;
};

void check_totals(const KernelTrace& trace, const std::string& file) {
  Totals tables(file, "kernels.tables"), kinds(file, "kernels.tables.kinds"), kernels(file, "kernels.tables.kernels");
  for (const KernelTable& table : trace.tables) {
    fields(tables, table);
    for (const KernelKindSum& kind : table.kinds) fields(kinds, kind);
    for (const KernelSum& kernel : table.kernels) fields(kernels, kernel);
  }
}

void check_totals(const RunRecord& record, const std::string& file) {
  Totals stages(file, "stages");
  for (const StageRecord& stage : record.stages) fields(stages, stage);
  if (record.kernels) check_totals(*record.kernels, file);
}

template <class T>
T read_document(const Schema& schema, std::string_view text, const std::string& where) {
  const JsonTree tree = JsonTree::parse(text, where);
  const Place top{where, schema};
  const int64_t minor = check_schema(tree.root(), top);
  T content;
  Reader::decode(tree.root(), content, top);
  if constexpr (std::is_same_v<T, RunRecord>) {
    check_totals(content, where);
    bring_up_to_date(content, minor);
  }
  return content;
}

}  // namespace

std::string to_json(const RunRecord& record) { return pretty(document(kRecord, record)); }

std::string to_json_line(const RunRecord& record) { return one_line(document(kRecord, record)); }

RunRecord record_from_json(std::string_view text, const std::string& where) {
  return read_document<RunRecord>(kRecord, text, where);
}

std::string to_json(const OverheadResult& result) { return pretty(document(kOverhead, result)); }

OverheadResult overhead_from_json(const std::string& text, const std::string& file) {
  return read_document<OverheadResult>(kOverhead, text, file);
}

std::string kernels_to_json(const KernelTrace& trace) { return one_line(Writer::encode(trace)); }

KernelTrace kernels_from_json(std::string_view text, const std::string& where) {
  KernelTrace trace;
  const JsonTree tree = JsonTree::parse(text, where);
  Reader::decode(tree.root(), trace, Place{where, kRecord});
  check_totals(trace, where);
  return trace;
}

std::string fidelity_to_json(const FidelityRecord& fidelity) { return one_line(Writer::encode(fidelity)); }

FidelityRecord fidelity_from_json(std::string_view text, const std::string& where) {
  FidelityRecord fidelity;
  const JsonTree tree = JsonTree::parse(text, where);
  Reader::decode(tree.root(), fidelity, Place{where, kRecord});
  return fidelity;
}

std::string stages_to_json(const std::vector<StageRecord>& stages) { return one_line(Writer::encode(stages)); }

std::string execution_to_json(const Execution& execution) { return one_line(Writer::encode(execution)); }

Execution execution_from_json(std::string_view text, const std::string& where) {
  Execution execution;
  const JsonTree tree = JsonTree::parse(text, where);
  Reader::decode(tree.root(), execution, Place{where, kRecord});
  return execution;
}

std::string forwards_to_json(const ForwardCounts& forwards) { return one_line(Writer::encode(forwards)); }

ForwardCounts forwards_from_json(std::string_view text, const std::string& where) {
  ForwardCounts forwards;
  const JsonTree tree = JsonTree::parse(text, where);
  Reader::decode(tree.root(), forwards, Place{where, kRecord});
  return forwards;
}

std::string workload_key(const Workload& workload) {
  const Json full = Writer::encode(workload);
  nlohmann::json canonical;  // std::map underneath: keys sorted, so the order of fields.h does not matter
  for (const auto& [key, value] : full.items()) {
    // What was no field before 1.3, 1.4 or 1.8 is left out where it says what all records said then: their keys stay.
    const bool as_before = (key == "recipe" && (value == "" || value == kOfficialRecipe)) ||
                           (key == "split_step" && value.is_null()) || (key == "last_image_sha256" && value == "") ||
                           (key == "conditioning" && value.empty());
    if (!as_before && key != "prompt" && key != "negative_prompt" && key != "weights") canonical[key] = value;
  }
  for (const WeightsFile& file : workload.weights) canonical["weights"][file.component].push_back(text_of(file));
  return sha256_hex(canonical.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string prompts_digest(std::string_view prompt, std::string_view negative_prompt) {
  return sha256_hex(fmt::format("{}\n{}", prompt, negative_prompt));
}

namespace {

/// Sets what `seal` sets; the record's document.
Json sealed_document(RunRecord& record) {
  Workload& workload = record.workload;
  if (workload.prompts_sha256.empty() && !(workload.prompt.empty() && workload.negative_prompt.empty())) {
    workload.prompts_sha256 = prompts_digest(workload.prompt, workload.negative_prompt);
  }
  record.workload_key = workload_key(workload);
  record.id.clear();
  Json json = document(kRecord, record);
  record.id = sha256_hex(one_line(json)).substr(0, 16);
  json["id"] = record.id;
  return json;
}

}  // namespace

void seal(RunRecord& record) { sealed_document(record); }

std::string seal_to_json(RunRecord& record) { return pretty(sealed_document(record)); }

}  // namespace wan
