// The operations of one DiT layer at published shapes, in the order a step runs them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels_timing.h"

namespace wan::bench {

struct DitShape {
  /// What goes in behind some layers: queries of `tokens` in `frames` groups, each attending to kKeys of its own.
  struct Injection {
    static constexpr int64_t kKeys = 5;
    int64_t tokens = 0, frames = 0, layers = 0;
  };
  std::string name;
  int64_t tokens, width, hidden, heads, layers;
  int64_t forwards = 2;  // of a step
  int64_t image_tokens = 0;
  Injection injection{};
  static constexpr int64_t kText = 512;
};

/// TI2V-5B at 1280x704 and 161 frames, A14B at 832x480 and at 1280x720 and 81 frames; a step of a later clip of S2V at
/// 1024x704, and one of Animate at 1280x720.
const std::vector<DitShape>& dit_shapes();

struct Operation {
  std::string name;
  Cost cost;
  std::function<void()> call;
  double per_layer = 1;  // how often a layer has it
  bool is_matrix() const { return cost.operations > 0; }
};

/// One layer's operations over buffers it owns. Products read what a norm writes, and the norms' output starts as
/// random values of the same size, so that the data, and with it the power, stay as in a model also when the norms are
/// left out.
class DitLayer {
 public:
  DitLayer(cuda::CudaBackend& backend, const DitShape& shape);
  const std::vector<Operation>& operations() const { return operations_; }

 private:
  void add_products();
  void add_attention();
  void add_injection();
  void add_norms();
  void order();
  cuda::CudaBackend& backend_;
  DitShape shape_;
  Tensor x_, y_, n_, attended_, qkv_, hidden_, q_, text_k_, text_v_, image_k_, image_v_, own_k_, own_v_, cos_, sin_,
      vectors_, norm_weight_;
  Tensor w_qkv_, w_square_, w_up_, w_down_, b_;
  std::vector<Operation> operations_;
};

/// Runs layers back to back for `seconds` and prints, from the second half, each operation's time in place and the time
/// of a step. `matrix_only` leaves the memory-bound operations out: the floor a step is
/// held against.
void run_step(cuda::CudaBackend& backend, const DitShape& shape, double seconds, bool matrix_only,
              const Ceilings& ceilings);

}  // namespace wan::bench
