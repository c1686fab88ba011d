#include "pipeline/engine.h"

#include <thread>

#include "base/error.h"
#include "pipeline/generation.h"

namespace wan {

struct Engine::State {
  std::unique_ptr<Models> models;
  PromptCache prompts;
  std::thread::id user;  // whose calls the models' backends are bound to

  void bind_to_this_thread() {
    if (models && user != std::this_thread::get_id()) models->bind_thread();
    user = std::this_thread::get_id();
  }
};

Engine::Engine(const EngineOptions& options)
    : state_(new State{nullptr, PromptCache(options.cached_prompts, options.cached_prompt_bytes), {}}) {}

Engine::~Engine() {
  try {
    state_->bind_to_this_thread();  // the models' memory goes back to their device
  } catch (const Error&) {
    // A device that refuses even that has nothing to give back.
  }
}

Outcome Engine::generate(const Request& request, const CallOptions& call) {
  try {
    state_->bind_to_this_thread();
    Generation generation(request, call, state_->models, state_->prompts);
    return generation.run();
  } catch (...) {
    state_->models.reset();  // a pass over the weights may have been left half-way
    throw;
  }
}

Expectation Engine::expect(const Request& request) {
  try {
    state_->bind_to_this_thread();
    const CallOptions call;
    return Generation(request, call, state_->models, state_->prompts).expect();
  } catch (...) {
    state_->models.reset();
    throw;
  }
}

Outcome generate(const Request& request, const CallOptions& call) {
  Engine engine;
  return engine.generate(request, call);
}

}  // namespace wan
