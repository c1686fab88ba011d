// A process as if it had been watched: what it said becomes the records that `wanbench run` keeps.
#pragma once

#include <vector>

#include "report/beside.h"
#include "results/record.h"
#include "suite/classify.h"
#include "suite/log_stages.h"
#include "suite/watch.h"

namespace wan::fuzz {

/// How it was started.
struct Start {
  suite::EngineProtocol protocol = suite::EngineProtocol::kNative;
  RunScope scope = RunScope::kCold;
  bool on_card = false, traced = false, failed = false;

  size_t videos() const { return scope == RunScope::kWarm ? 2 : 1; }
};

/// Begin and end of the process, by CLOCK_MONOTONIC.
inline constexpr int64_t kBeginNs = 1'000'000'000, kEndNs = 11'000'000'000;

/// A process that ran in that time, with a reading of the machine and of the card each second.
suite::Watched watched_process(const Start& start);

struct Kept {
  std::vector<RunRecord> records;
  report::Beside beside;
};

/// How far the records go: they are built, or also written with what lies beside them and read back, as a report does.
enum class Keep { kInMemory, kAsFiles };

Kept records_of(suite::Watched watched, const Start& start, const suite::LogStages& log, Keep keep);

}  // namespace wan::fuzz
