// What a measured program says over its pipe or in its log.
#include <algorithm>

#include "base/error.h"
#include "report.h"
#include "suite/log_stages.h"
#include "suite/pipe_log.h"
#include "suite/progress.h"
#include "targets.h"
#include "watched.h"

namespace wan::fuzz {
namespace {

/// The first byte's bits: a command, a card, warm, traced, failed, small pieces, little taken.
Start start_of(uint8_t bits) {
  Start start;
  if (bits & 1) start.protocol = suite::EngineProtocol::kCommand;
  start.on_card = bits & 2;
  if (bits & 4) start.scope = RunScope::kWarm;
  start.traced = (bits & 8) && start.protocol == suite::EngineProtocol::kNative && start.scope == RunScope::kCold;
  start.failed = bits & 16;
  return start;
}

/// As the watching process sorts what is about its own readings.
void keep_counters(const suite::Message& message, measure::Samples& samples) {
  if (const auto* state = std::get_if<suite::CounterState>(&message))
    (state->reason.empty() ? samples.counter_names : samples.activity_reason) =
        state->reason.empty() ? state->names : state->reason;
  if (const auto* counters = std::get_if<suite::Counters>(&message)) samples.counters.push_back(counters->batch);
}

Kept read_pipe(Bytes input, Keep keep) {
  require(!input.empty(), "no byte that says how it was watched");
  const uint8_t bits = input.front();
  const Start start = start_of(bits);
  const std::string_view pipe = text_of(input.subspan(1));
  const size_t piece = bits & 32 ? 7 : pipe.size() + 1;
  const suite::PipeLimits limits = bits & 64 ? suite::PipeLimits{600, 20, 6000} : suite::PipeLimits{};
  suite::Watched watched = watched_process(start);
  suite::PipeLog log(limits, start.videos(), watched);
  std::string shown;
  suite::ProgressDisplay display(suite::DisplayStyle::kTerminal, [&](std::string_view text) { shown = text; });
  size_t messages = 0;
  for (size_t at = 0; at < pipe.size(); at += piece)
    log.take(pipe.substr(at, piece), [&](const suite::Message& message) {
      ++messages;
      keep_counters(message, watched.samples);
      display.message(message);
    });
  log.finish();
  check(messages <= limits.lines, "no more is taken than the limit says");
  require(messages > 0, "no message");
  display.tick(watched.samples);
  Kept kept = records_of(std::move(watched), start, suite::LogStages({}), keep);
  display.run_ends(kept.records);
  return kept;
}

Kept read_log(Bytes input, Keep keep) {
  const auto [json, log] = cut_at_nul(input);
  suite::LogStages stages(suite::parse_patterns(std::string(json), "fuzz"));
  constexpr int64_t kBetweenNs = 10'000'000;
  int64_t at_ns = kBeginNs;
  for (size_t begin = 0; begin < log.size(); at_ns = std::min(at_ns + kBetweenNs, kEndNs)) {
    const size_t end = std::min(log.find('\n', begin), log.size());
    stages.line(std::string(log.substr(begin, end - begin)), at_ns);
    begin = end + 1;
  }
  Start start;
  start.protocol = suite::EngineProtocol::kCommand;
  suite::Watched watched = watched_process(start);
  watched.stderr_tail = log;
  return records_of(std::move(watched), start, stages, keep);
}

}  // namespace

void protocol(Bytes input) { read_pipe(input, Keep::kInMemory); }
void protocol_report(Bytes input) {
  Kept kept = read_pipe(input, Keep::kAsFiles);
  report_and_compare(std::move(kept.records), std::move(kept.beside));
}

void patterns(Bytes input) { read_log(input, Keep::kInMemory); }
void patterns_report(Bytes input) {
  Kept kept = read_log(input, Keep::kAsFiles);
  report_and_compare(std::move(kept.records), std::move(kept.beside));
}

}  // namespace wan::fuzz
