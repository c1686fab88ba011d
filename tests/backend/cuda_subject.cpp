// The first CUDA device as the subject; without one, every test says why it was skipped.
#include "backend/cuda/factory.h"
#include "subject.h"

namespace wan {

Subject make_subject() {
  if (const auto problem = cuda::problem(0)) return {nullptr, "no CUDA device to test: " + *problem};
  BackendOptions options;
  options.device = "cuda:0";
  return {cuda::make(0, options), {}};
}

}  // namespace wan
