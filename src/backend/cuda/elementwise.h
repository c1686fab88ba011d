// Copies with conversion and elementwise arithmetic. Contracts are those of the Backend functions of the same names.
#pragma once

#include <span>

#include "backend/backend.h"
#include "backend/cuda/context.h"

namespace wan::cuda {

inline constexpr int kMaxTerms = 8;

void fill_zero(Context& context, TensorView y);
void add(Context& context, TensorView x, TensorView y);
void activate(Context& context, TensorView x, Activation activation, TensorView y);
/// As activate, on rows of any stride; x and y may differ in dtype.
void activate_rows(Context& context, TensorView x, Activation activation, TensorView y);
void gated_gelu(Context& context, TensorView gate, TensorView up, TensorView y);
/// At most kMaxTerms terms.
void combine(Context& context, std::span<const Term> terms, TensorView out);

}  // namespace wan::cuda
