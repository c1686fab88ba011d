#include "suite/classify.h"

#include <signal.h>
#include <algorithm>

#include <array>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace wan::suite {
namespace {

/// What allocators of the programs we watch print when they cannot go on.
bool speaks_of_memory(std::string_view text) {
  constexpr std::array<std::string_view, 8> kWords = {
      "std::bad_alloc",         "CUDA out of memory", "CUDA_ERROR_OUT_OF_MEMORY", "cudaErrorMemoryAllocation",
      "torch.OutOfMemoryError", "MemoryError",        "Cannot allocate memory",   "cannot allocate memory"};
  for (const std::string_view word : kWords)
    if (text.find(word) != std::string_view::npos) return true;
  return false;
}

/// The leaf that had begun last and is not over.
std::string open_stage(const VideoLog& video) {
  if (video.begins.empty()) return {};
  const StageId& last = video.begins.back().stage;
  const bool over = std::any_of(video.spans.begin(), video.spans.end(),
                                [&](const StageSpan& span) { return span.component.empty() && span.stage == last; });
  return over ? "" : last.name;
}

RunStatus status_of_kind(const std::string& kind) {
  if (kind == "out_of_memory") return RunStatus::kOutOfMemory;
  if (kind == "usage" || kind == "input") return RunStatus::kInvalid;
  if (kind == "interrupted") return RunStatus::kInterrupted;
  return RunStatus::kCrash;
}

ErrorFacts exit_facts(const Watched& watched) {
  ErrorFacts facts;
  facts.stage = open_stage(watched.videos.back());
  facts.stderr_tail = watched.stderr_tail;
  facts.requested_bytes = absent<uint64_t>("not_reported");
  facts.free_bytes = absent<uint64_t>("not_reported");
  if (watched.exit.signal != 0) {
    facts.signal = measured<int64_t>(watched.exit.signal, "wait");
    facts.exit_code = absent<int64_t>("ended_by_signal");
    facts.message = fmt::format("ended by signal {} ({})", watched.exit.signal, ::strsignal(watched.exit.signal));
  } else {
    facts.exit_code = measured<int64_t>(watched.exit.exit_code, "wait");
    facts.signal = absent<int64_t>("ended_by_itself");
    facts.message = fmt::format("exit code {}", watched.exit.exit_code);
  }
  return facts;
}

Ending ending(RunStatus status, ErrorFacts facts) { return {status, std::move(facts)}; }

}  // namespace

Ending classify(const Watched& watched, EngineProtocol protocol, int64_t oom_kills) {
  ErrorFacts facts = exit_facts(watched);
  if (watched.stop == StopCause::kInterrupt) {
    facts.message = fmt::format("interrupted by signal {}", watched.stop_signal);
    return ending(RunStatus::kInterrupted, std::move(facts));
  }
  if (watched.stop == StopCause::kTimeout) {
    facts.message = fmt::format("still running after {:.1f} s: the group was ended",
                                seconds_from_ns(watched.total.length_ns()).value);
    return ending(RunStatus::kTimeout, std::move(facts));
  }
  if (watched.failure) {
    const Failure& failure = *watched.failure;
    facts.message = failure.message;
    facts.advice = failure.advice;
    if (failure.requested_bytes) facts.requested_bytes = measured(*failure.requested_bytes, "engine");
    if (failure.free_bytes) facts.free_bytes = measured(*failure.free_bytes, "engine");
    return ending(status_of_kind(failure.kind), std::move(facts));
  }
  if (watched.exit.signal == SIGKILL && oom_kills > 0) {
    facts.message = "killed by the kernel: the memory limit of the cgroup was reached";
    return ending(RunStatus::kOutOfMemory, std::move(facts));
  }
  const bool clean = watched.exit.signal == 0 && watched.exit.exit_code == 0;
  if (!clean)
    return ending(speaks_of_memory(watched.stderr_tail) ? RunStatus::kOutOfMemory : RunStatus::kCrash,
                  std::move(facts));
  if (protocol == EngineProtocol::kCommand) return {};
  if (!watched.videos.back().finished) {
    facts.message = watched.broken_line.empty() ? "the engine process ended without saying that it had finished"
                                                : watched.broken_line;
    return ending(RunStatus::kCrash, std::move(facts));
  }
  return {};
}

}  // namespace wan::suite
