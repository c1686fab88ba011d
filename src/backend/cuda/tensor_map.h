// The driver's function that describes tensors to the copy engine.
#pragma once

#include <cuda.h>

namespace wan::cuda {

using EncodeTiled = decltype(&cuTensorMapEncodeTiled);

/// Throws Error where the driver has none.
EncodeTiled encode_tiled();

}  // namespace wan::cuda
