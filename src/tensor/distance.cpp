#include "tensor/distance.h"

#include <cmath>

namespace wan {

bool Distance::is_finite() const { return std::isfinite(difference + a + b); }
double Distance::relative_l2() const { return std::sqrt(difference / b); }
double Distance::cosine() const { return product / std::sqrt(a * b); }

Distance distance_of(const float* a, const float* b, int64_t count) {
  Distance out;
  for (int64_t i = 0; i < count; ++i) {
    const double x = a[i], y = b[i];
    out.difference += (x - y) * (x - y);
    out.a += x * x;
    out.b += y * y;
    out.product += x * y;
  }
  return out;
}

}  // namespace wan
