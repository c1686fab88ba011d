// The engine as a library: runs requests. Loads what the plan wants, encodes text, denoises, decodes; keeps its models
// for the next request of the same kind. Knows no command line, no benchmark and no state outside its objects.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/error.h"
#include "pipeline/expectation.h"
#include "pipeline/frame_consumer.h"
#include "pipeline/observer.h"
#include "pipeline/preview.h"
#include "pipeline/request.h"
#include "pipeline/stop.h"

namespace wan {

/// For all requests of an engine.
struct EngineOptions {
  /// Encoded prompts that are kept, so that the text encoder is not read for them again. 0: none; every request then
  /// costs what the first one costs. The video is the same either way.
  int64_t cached_prompts = 0;
  uint64_t cached_prompt_bytes = uint64_t{256} << 20;  // at most, on the host; a prompt of 512 tokens has 8 MiB
};

/// What goes with one request, beside what it asks for. All must outlive the call.
struct CallOptions {
  Observer* observer = nullptr;             // is told stages, memory and facts; none: nobody watches
  const StopSource* stop = nullptr;         // ends the request at its next safe point; none: nobody can
  int64_t start_ns = 0;                     // CLOCK_MONOTONIC at which Model_Initialization is taken to begin; 0: now
  std::vector<FrameConsumer*> consumers{};  // take the frames, each all of them, beside the files the request names
  PreviewConsumer* preview = nullptr;       // takes a small picture of each step; none: none is made
  /// Told, by a thread of its own, what ended a request of several ranks when a rank has not ended in time
  /// (comm/local.h). Threads cannot be ended from outside: who must not wait for it ends the process here. None:
  /// `generate` waits for it.
  std::function<void(const Error&)> on_stuck{};
};

/// Runs one request at a time. Several engines may live in one process and run at once, each from a thread of its own;
/// what they share is the machine.
class Engine {
 public:
  explicit Engine(const EngineOptions& options = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Generates one video, of several ranks (Request::gpus) rank 0's part on this thread. A second request with the same
  /// checkpoint, device, precision and offload is warm: its weights are already where the plan wants them. Throws
  /// Error(kUsage, kInput) before any work for a bad request or checkpoint; OutOfMemory; Error(kInterrupted) after
  /// `call.stop`. The engine takes the next request after any of them.
  Outcome generate(const Request& request, const CallOptions& call = {});

  /// What `request` will take here, computed in well under a second; reads headers, loads no weights. The engine keeps
  /// what it opened for `generate`. Throws Error(kUsage, kInput) for a bad request or checkpoint, and OutOfMemory that
  /// names the largest video that fits where the device could never hold this one.
  Expectation expect(const Request& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One video by an engine of its own.
Outcome generate(const Request& request, const CallOptions& call = {});

}  // namespace wan
