// What the CUDA module offers the program, for module.cpp, and for tests and benchmarks that link these objects
// directly.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace wan::cuda {

/// The cards this was compiled for; see why_no_code.
std::string_view architectures();
/// Why device `ordinal` cannot be used, or nothing. Touches no device.
std::optional<std::string> problem(int ordinal);
/// Of those problems the one that another build would not have: there is no code for this card. Nothing otherwise.
std::optional<std::string> no_code(int ordinal);
/// A device without a problem. Throws Error(kInput) for a tuning table that cannot be read.
std::unique_ptr<Backend> make(int ordinal, const BackendOptions& options);
/// See tune_products.
std::vector<std::string> tune(int ordinal, std::span<const ProductShape> shapes, double seconds);

}  // namespace wan::cuda
