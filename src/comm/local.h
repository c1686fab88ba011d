// Ranks that are threads of this process and compute on the CPU: collectives copy between their memories.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "comm/communicator.h"

namespace wan {

struct LocalOptions {
  /// How long all ranks may stand still while one waits for another.
  int64_t timeout_ns = 60'000'000'000;
  /// CLOCK_MONOTONIC.
  std::function<int64_t()> now = monotonic_ns;
  /// Whether a thread calls `check`; otherwise whoever made the ranks does.
  enum class Watch { kThread, kCaller } watch = Watch::kThread;
  /// Told of the failure, by the thread that calls `check`, when some rank has not ended `kGraceNs` after it, or
  /// `kStillGraceNs` where the failure is that ranks stand still, who had their time. A thread
  /// cannot be ended from outside: who must not wait for it ends the process here. None: `run` waits for that rank.
  std::function<void(const Error&)> on_stuck{};
  /// For those who test what becomes of ranks that fail: called by each rank before it enters a collective, its
  /// `number`th from 1. What it throws is that rank's failure.
  std::function<void(int rank, uint64_t number, const char* name)> on_enter{};
};

/// Thrown by a rank it ends that rank without a failure: the others find that it is gone.
struct RankLeaves {};

/// Time in which ranks end after one has failed.
inline constexpr int64_t kGraceNs = 5'000'000'000, kStillGraceNs = 1'000'000'000;

struct LocalState;

class LocalRanks {
 public:
  explicit LocalRanks(int size, const LocalOptions& options = {});
  ~LocalRanks();
  LocalRanks(const LocalRanks&) = delete;
  LocalRanks& operator=(const LocalRanks&) = delete;

  /// Calls `body` once for every rank, rank 0 on this thread, and returns when all have ended. Throws what the first
  /// rank to fail threw: Error and OutOfMemory with the rank and its last collective before their text, but for
  /// refusals (kUsage) and interruptions, which are not of one rank; others as they are. Once for each object.
  void run(const std::function<void(Communicator&)>& body);

  /// Where some rank waits and none has got further for the timeout, that is the failure, of those that compute; and
  /// tells `on_stuck`. Any thread.
  void check();
  std::vector<Progress> progress() const;

 private:
  std::shared_ptr<LocalState> state_;
};

}  // namespace wan
