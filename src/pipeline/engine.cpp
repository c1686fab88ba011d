#include "pipeline/engine.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/error.h"
#include "comm/local.h"
#include "pipeline/generation.h"
#include "pipeline/parallel.h"
#include "pipeline/rank_fault.h"

namespace wan {

struct Engine::State {
  std::unique_ptr<Models> models;               // of the only rank, or rank 0
  std::vector<std::unique_ptr<Models>> others;  // of ranks 1, 2, ...
  PromptCache prompts;
  std::thread::id user;  // whose calls the models' backends are bound to

  void bind_to_this_thread() {
    if (models && user != std::this_thread::get_id()) models->bind_thread();
    user = std::this_thread::get_id();
  }
  void forget() {
    models.reset();
    release_others();
  }
  void release_others() {
    for (const std::unique_ptr<Models>& each : others)
      if (each) each->bind_thread();
    others.clear();
  }
  Outcome generate(const Request& request, const CallOptions& call, int count);
  int64_t timeout_ns(const Request& request);
};

Engine::Engine(const EngineOptions& options)
    : state_(new State{nullptr, {}, PromptCache(options.cached_prompts, options.cached_prompt_bytes), {}}) {}

Engine::~Engine() {
  try {
    state_->bind_to_this_thread();  // the models' memory goes back to their device
    state_->release_others();
  } catch (const Error&) {
    // A device that refuses even that has nothing to give back.
  }
}

/// A rank's part needs a request without what rank 0 leaves behind.
Outcome Engine::State::generate(const Request& request, const CallOptions& call, int count) {
  Request other = request;
  for (std::filesystem::path* file : {&other.output, &other.frames, &other.dump, &other.curve}) file->clear();
  CallOptions unwatched;
  unwatched.stop = call.stop;
  others.resize(static_cast<size_t>(count) - 1);
  LocalOptions options;
  options.timeout_ns = timeout_ns(request);
  options.on_stuck = call.on_stuck;
  options.on_enter = rank_fault();
  LocalRanks ranks(count, options);
  Outcome outcome;
  ranks.run([&](Communicator& all) {
    if (all.rank() == 0) {
      outcome = Generation(request, call, models, prompts, &all).run();
      return;
    }
    std::unique_ptr<Models>& own = others[static_cast<size_t>(all.rank()) - 1];
    if (own) own->bind_thread();
    PromptCache none(0, 0);
    Generation(other, unwatched, own, none, &all).run();
  });
  return outcome;
}

int64_t Engine::State::timeout_ns(const Request& request) {
  constexpr double kLeast = 60, kSteps = 10;
  const CallOptions call;
  const double seconds =
      request.comm_timeout > 0
          ? request.comm_timeout
          : std::max(kLeast, kSteps * Generation(request, call, models, prompts).expect().time.step_s);
  return std::llround(seconds * 1e9);
}

Outcome Engine::generate(const Request& request, const CallOptions& call) {
  try {
    state_->bind_to_this_thread();
    if (const int ranks = asked_ranks(request); ranks > 1) return state_->generate(request, call, ranks);
    state_->release_others();
    Generation generation(request, call, state_->models, state_->prompts);
    return generation.run();
  } catch (...) {
    state_->forget();  // a pass over the weights may have been left half-way
    throw;
  }
}

Expectation Engine::expect(const Request& request) {
  try {
    state_->bind_to_this_thread();
    const CallOptions call;
    return Generation(request, call, state_->models, state_->prompts).expect();
  } catch (...) {
    state_->forget();
    throw;
  }
}

Outcome generate(const Request& request, const CallOptions& call) {
  Engine engine;
  return engine.generate(request, call);
}

}  // namespace wan
