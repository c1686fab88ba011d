// A libcuda.so.1 that starts.
#include <cuda.h>

extern "C" CUresult cuInit(unsigned int flags) { return flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; }
