// Runs requests: loads what the plan wants, encodes text, denoises, decodes. Keeps its models for the next request of
// the same kind.
#pragma once

#include <memory>

#include "pipeline/observer.h"
#include "pipeline/request.h"

namespace wan {

struct Models;

class Engine {
 public:
  Engine();
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// As wan::generate. A second request with the same checkpoint, device, precision and offload is warm: its weights
  /// are already where the plan wants them.
  Outcome generate(const Request& request, Observer& observer, int64_t start_ns = 0);

 private:
  std::unique_ptr<Models> models_;
};

}  // namespace wan
