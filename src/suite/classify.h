// How a run ended, from what its process said and how it died. A pure function.
#pragma once

#include <optional>
#include <string>

#include "results/record.h"
#include "suite/watch.h"

namespace wan::suite {

enum class EngineProtocol { kNative, kCommand };  // a command says nothing over the pipe: its exit code is all

struct Ending {
  RunStatus status = RunStatus::kOk;
  std::optional<ErrorFacts> error;
};

/// `oom_kills`: processes the kernel's memory limit killed in our cgroup during the run.
Ending classify(const Watched& watched, EngineProtocol protocol, int64_t oom_kills);

}  // namespace wan::suite
