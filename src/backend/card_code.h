// Whether code compiled for some cards runs on another: NVIDIA's rules of binary compatibility.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wan {

/// A card as its driver names it.
struct Card {
  int major = 0, minor = 0;  // compute capability
  std::string name;          // NVIDIA L40S
};

/// Why code for `architectures` does not run on `card`, with what to build instead, or nothing where it does.
///   architectures   comma-separated, as CMake writes them: 80 or 80-real, machine code; 80-virtual, PTX
/// Machine code runs on cards of its major version and the same or a later minor one, with the suffix f too, with the
/// suffix a only on its very version; PTX on every card of its version or later, with a or f as machine code does.
/// Throws Error(kRuntime) for a list that is none. Source: CUDA C++ Programming Guide, "Binary Compatibility", "PTX
/// Compatibility", "Family-Specific Architecture Features".
std::optional<std::string> why_no_code(std::string_view architectures, const Card& card);

/// The list in a message: sm_80, sm_90a, compute_80 (PTX).
std::string code_in_words(std::string_view architectures);

/// What -DCMAKE_CUDA_ARCHITECTURES takes for this card: 89; 90a for 9.0, whose own instructions our kernels use.
std::string architecture_of(const Card& card);

}  // namespace wan
