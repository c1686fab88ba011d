// Constructors of the concrete backends, for make_backend.cpp alone. A build without CUDA or without oneDNN links a
// factory that says so.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backend/backend.h"

namespace wan {

std::unique_ptr<Backend> make_cpu_backend(int threads);
/// Why device `ordinal` cannot be used, or nothing.
std::optional<std::string> cuda_problem(int ordinal);
std::unique_ptr<Backend> make_cuda_backend(int ordinal, const BackendOptions& options);
/// See tune_products.
std::vector<std::string> tune_cuda_products(int ordinal, std::span<const ProductShape> shapes, double seconds);

}  // namespace wan
