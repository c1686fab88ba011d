// Field-by-field comparison of workloads, over the same key list that writes them.
#include "analysis/workload_diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <set>
#include <type_traits>

#include "base/hash.h"
#include "results/enum_names.h"
#include "results/fields.h"

namespace wan {
namespace {

constexpr const char* kAbsent = "-";

/// Flattens a workload to field -> text; absent, empty and unknown values are left out.
class Flatten {
 public:
  void operator()(const char* key, const std::string& value) {
    const std::string_view name = key;
    if (name == "prompt" || name == "negative_prompt") return;  // compared by digest
    if (!value.empty()) out_[key] = value;
  }
  template <class T>
  requires std::is_arithmetic_v<T>
  void operator()(const char* key, T value) { out_[key] = fmt::format("{}", value); }
  void operator()(const char* key, const std::vector<double>& values) {
    constexpr size_t kShown = 40;  // characters
    const std::string text = fmt::format("{}", fmt::join(values, ", "));
    if (text.empty()) return;
    out_[key] = text.size() <= kShown ? text
                                      : fmt::format("{}... ({} values, digest {})", text.substr(0, kShown),
                                                    values.size(), sha256_hex(text).substr(0, 8));
  }
  template <class T>
  void operator()(const char* key, const std::optional<T>& value) {
    if (value) out_[key] = fmt::format("{}", *value);
  }
  void operator()(const char* key, const std::optional<StepCacheUse>& value) { flatten(key, value); }
  void operator()(const char* key, const std::optional<QuantizedUse>& value) { flatten(key, value); }
  template <NamedEnum E>
  void operator()(const char* key, E value) {
    if (enum_name(value) != "unknown") out_[key] = enum_name(value);
  }
  void operator()(const char* key, const std::map<std::string, std::string>& values) {
    for (const auto& [name, value] : values) out_[fmt::format("{}.{}", key, name)] = value;
  }
  void operator()(const char* key, const std::vector<std::string>& values) {
    std::string text;
    for (const std::string& value : values) text += (text.empty() ? "" : ", ") + value;
    if (!text.empty()) out_[key] = text;
  }
  void operator()(const char* key, const std::vector<WeightsFile>& files) {
    for (const WeightsFile& file : files) {
      std::string& digests = out_[fmt::format("{}.{}", key, file.component)];
      if (!digests.empty()) digests += " ";
      digests += text_of(file);
    }
  }
  template <class T>
  void added(const char* key, const T& value) {
    (*this)(key, value);
  }
  std::map<std::string, std::string> take() { return std::move(out_); }

 private:
  template <class T>
  void flatten(const char* key, const std::optional<T>& value) {
    if (!value) return;
    Flatten parts;
    fields(parts, *value);
    for (auto& [name, text] : parts.take()) out_[fmt::format("{}.{}", key, name)] = text;
  }
  std::map<std::string, std::string> out_;
};

template <class T>
std::map<std::string, std::string> flatten(const T& value) {
  Flatten visit;
  fields(visit, value);
  return visit.take();
}

/// The fields of a workload that say how, not what: since records have an execution, they are part of that.
constexpr std::array kDecidedFields{"offload", "text_encoder_device"};

bool is_decided(const FieldDifference& difference) {
  return std::find(kDecidedFields.begin(), kDecidedFields.end(), difference.field) != kDecidedFields.end();
}

/// What is left of a workload when how it is done is taken out, and texts that have digests.
Workload work_alone(Workload work) {
  work.offload.clear();
  work.text_encoder_device.clear();
  work.prompt.clear();
  work.negative_prompt.clear();
  return work;
}

Provenance provenance(const RunRecord& record) {
  return record.engine.kind == EngineKind::kImported ? Provenance::kImported : Provenance::kMeasured;
}

}  // namespace

std::string output_kind(const RunRecord& record) {
  if (!record.output.file.empty() || record.output.size_bytes.has()) return "video";
  const bool tells = record.engine.kind == EngineKind::kNative && record.status == RunStatus::kOk && !record.kernels &&
                     !record.fidelity;
  return tells ? "none" : "";
}

WorkloadDifference compare_workloads(const Workload& a, Provenance from_a, const Workload& b, Provenance from_b) {
  const auto fields_a = flatten(a), fields_b = flatten(b);
  WorkloadDifference out;
  for (const auto& [field, value] : fields_a) {
    const auto other = fields_b.find(field);
    if (other == fields_b.end()) {
      (from_b == Provenance::kImported ? out.unknown : out.different).push_back({field, value, kAbsent});
    } else if (other->second != value) {
      out.different.push_back({field, value, other->second});
    }
  }
  for (const auto& [field, value] : fields_b) {
    if (fields_a.contains(field)) continue;
    (from_a == Provenance::kImported ? out.unknown : out.different).push_back({field, kAbsent, value});
  }
  return out;
}

std::vector<FieldDifference> execution_differences(const Measured<Execution>& a, const Measured<Execution>& b) {
  std::vector<FieldDifference> out;
  if (!a.has() || !b.has()) return out;
  auto fields_a = flatten(*a.value), fields_b = flatten(*b.value);
  std::set<std::string> keys;
  for (const auto* side : {&fields_a, &fields_b})
    for (const auto& [key, value] : *side) keys.insert(key);
  for (const std::string& key : keys) {
    const auto text = [&](auto& side) { return side.contains(key) ? side.at(key) : kAbsent; };
    if (text(fields_a) != text(fields_b)) out.push_back({key, text(fields_a), text(fields_b)});
  }
  return out;
}

bool same_work(const Workload& a, const Workload& b) { return work_alone(a) == work_alone(b); }

WorkloadDifference compare_workloads(const RunRecord& a, const RunRecord& b) {
  WorkloadDifference out = compare_workloads(a.workload, provenance(a), b.workload, provenance(b));
  const bool both_say = a.execution.has() && b.execution.has();
  out.execution = execution_differences(a.execution, b.execution);
  for (const auto* list : {&out.different, &out.unknown})
    if (!both_say) std::copy_if(list->begin(), list->end(), std::back_inserter(out.execution), is_decided);
  std::erase_if(out.different, is_decided);
  std::erase_if(out.unknown, is_decided);
  const std::string kind_a = output_kind(a), kind_b = output_kind(b);
  if (!kind_a.empty() && !kind_b.empty() && kind_a != kind_b) out.different.push_back({"output", kind_a, kind_b});
  return out;
}

}  // namespace wan
