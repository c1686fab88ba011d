// Field-by-field comparison of workloads, over the same key list that writes them.
#include "analysis/workload_diff.h"

#include <fmt/format.h>

#include <map>

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
  void operator()(const char* key, const std::optional<T>& value) {
    if (value) out_[key] = fmt::format("{}", *value);
  }
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
      digests += file.digest;
    }
  }
  template <class T>
  void added(const char* key, const T& value) {
    (*this)(key, value);
  }
  std::map<std::string, std::string> take() { return std::move(out_); }

 private:
  std::map<std::string, std::string> out_;
};

std::map<std::string, std::string> flatten(const Workload& workload) {
  Flatten visit;
  fields(visit, workload);
  return visit.take();
}

Provenance provenance(const RunRecord& record) {
  return record.engine.kind == EngineKind::kImported ? Provenance::kImported : Provenance::kMeasured;
}

}  // namespace

std::string output_kind(const RunRecord& record) {
  if (!record.output.file.empty() || record.output.size_bytes.has()) return "video";
  const bool tells = record.engine.kind == EngineKind::kNative && record.status == RunStatus::kOk && !record.kernels;
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

WorkloadDifference compare_workloads(const RunRecord& a, const RunRecord& b) {
  WorkloadDifference out = compare_workloads(a.workload, provenance(a), b.workload, provenance(b));
  const std::string kind_a = output_kind(a), kind_b = output_kind(b);
  if (!kind_a.empty() && !kind_b.empty() && kind_a != kind_b) out.different.push_back({"output", kind_a, kind_b});
  return out;
}

}  // namespace wan
