// Access to a stack of layers whose weights may be resident, streamed from the host, or still arriving.
#pragma once

#include "tensor/tensor.h"

namespace wan {

class LayerSource {
 public:
  virtual ~LayerSource() = default;
  /// The slab of layer `index` on the device, ready for work issued to the compute queue after this call.
  /// Layers are asked for in order 0 .. n-1, pass after pass.
  virtual TensorView acquire(int index) = 0;
  /// The work issued so far is the last that reads the slab.
  virtual void release(int index) = 0;
};

}  // namespace wan
