#include "results/redact.h"

#include <algorithm>
#include <cctype>
#include <random>

#include "base/hash.h"
#include "results/json.h"

namespace wan {
namespace {

/// "2.5.1+cu124": a program that is not ours may say anything where a version should stand.
bool is_version(const std::string& text) {
  constexpr size_t kLongest = 24;
  const bool begins = !text.empty() && (std::isdigit(static_cast<unsigned char>(text.front())) != 0 || text[0] == 'v');
  return begins && text.size() <= kLongest && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '+' || c == '-' || c == '_';
         });
}

void redact_engine(EngineInfo& engine) {
  engine.command.clear();
  engine.env.clear();
  std::erase_if(engine.facts, [](const auto& fact) {
    return fact.first != kAblatedCaseFact && fact.first != kAblatedSuiteFact;  // names, that the case has as well
  });
  std::erase_if(engine.versions, [](const auto& version) { return !is_version(version.second); });
}

void redact_import(ImportInfo& imported) {
  imported.file.clear();
  imported.notes.clear();
  std::erase_if(imported.printed, [](const auto& printed) {
    std::string name = printed.first;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    return name.find("prompt") != std::string::npos || name.find("host") != std::string::npos ||
           name.find("path") != std::string::npos;
  });
}

}  // namespace

Redactor::Redactor() {
  constexpr int kWords = 8;  // 256 bits
  std::random_device device;
  for (int i = 0; i < kWords; ++i) {
    const auto word = device();
    key_.append(reinterpret_cast<const char*>(&word), sizeof(word));
  }
}

/// The key of a request that is to say nothing; its pictures show what the prompt asked for.
void Redactor::redact_fidelity(FidelityRecord& fidelity) const {
  fidelity.still.reset();
  fidelity.comparison.reference_key = keyed(fidelity.comparison.reference_key);
  for (FidelityComparison& floor : fidelity.noise_floor) floor.reference_key = keyed(floor.reference_key);
}

/// The key comes first and all digests have one length, so that SHA-256 alone is enough of a keyed hash here.
std::string Redactor::keyed(const std::string& digest) const {
  return digest.empty() ? "" : sha256_hex(key_ + sha256_hex(digest));
}

void Redactor::redact(RunRecord& record) const {
  record.workload.prompt.clear();
  record.workload.negative_prompt.clear();
  record.workload.prompts_sha256 = keyed(record.workload.prompts_sha256);
  if (!record.workload_key.empty()) record.workload_key = workload_key(record.workload);
  record.run_case.key = keyed(record.run_case.key);
  record.id = keyed(record.id).substr(0, 16);
  record.system.host.clear();
  std::string& storage = record.system.weights_storage;  // "nfs4 on server:/path": the kind of file system stays
  storage = storage.substr(0, storage.find(" on "));
  redact_engine(record.engine);
  record.output.file.clear();
  record.trace_file.clear();
  record.spans_file.clear();
  record.samples.reset();
  if (record.error) {
    record.error->stderr_tail.clear();
    record.error->message.clear();
    if (record.engine.kind == EngineKind::kExternal) record.error->advice.clear();
  }
  for (ValidityFlag& flag : record.validity)
    if (flag.name == kUnreadableFlag) flag.detail.clear();  // it quotes the program
  if (record.imported) redact_import(*record.imported);
  if (record.fidelity) redact_fidelity(*record.fidelity);
}

void Redactor::redact(Ablation& ablation) {
  for (AblationArm& arm : ablation.arms) {
    if (!arm.why_not_run.empty()) arm.why_not_run = "left out";
    arm.remarks.clear();
  }
}

void Redactor::redact(LoadTest& test) {
  test.url = "a server";
  for (LoadLevel& level : test.levels)
    for (LoadRequest& request : level.requests) request.detail.clear();
}

}  // namespace wan
