// What a kernel's name says: a form that people can read, and what kind of work it is.
#pragma once

#include <string>
#include <string_view>

#include "results/record.h"

namespace wan::measure {

/// Demangled, without return type, argument list, our namespaces and anonymous ones; at most 96 characters. A name that
/// is not mangled stays as it is but for its length.
std::string short_kernel_name(const char* name);

/// The kind of work by words in the short name: our own kernels, cuBLAS, cuDNN, CUTLASS, FlashAttention and PyTorch as
/// they are called in CUDA 12 and 13. Names without a known word are kOther.
KernelKind kernel_kind(std::string_view short_name);

}  // namespace wan::measure
