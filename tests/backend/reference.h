// What each operation computes, in double and straightforward loops, with the slack float arithmetic may cost
// (bench.h). All operands are dense here: strides are the backend's affair.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "bench.h"

namespace wan::reference {

using Values = std::vector<double>;

double activation(Activation kind, double x);
/// Slack of an activation at x, given that of x: exp multiplies the relative error of its argument by the argument, and
/// hardware exponentials err by about 1.2 |argument| units (CUDA C++ Programming Guide, table of intrinsics).
double activation_slack(Activation kind, double x, double slack);
Expected activate(Expected in, Activation kind);

/// y[m, n] = activation(x W^T + bias); `bias` may be empty.
Expected linear(const Values& x, const Values& weight, const Values& bias, int64_t m, int64_t n, int64_t k,
                Activation kind);

/// y[n, m] = base + factor * (up down), with rank r.
Expected add_low_rank(const Values& base, const Values& up, const Values& down, double factor, int64_t n, int64_t m,
                      int64_t r);

/// Normalised rows, before any weight.
Expected layer_norm(const Expected& x, int64_t width, double eps);
Expected rms_norm(const Expected& x, const Values& weight, int64_t width, double eps);
/// in * weight + bias along the last axis; either may be empty.
Expected affine(Expected in, const Values& weight, const Values& bias);
/// in * (1 + scale[r]) + shift[r]; `index` empty means r = 0.
Expected modulate(Expected in, const Values& shift, const Values& scale, const Values& index, int64_t width);
/// x + y * gate[r]; `gate` empty means 1.
Expected gated_residual(const Values& x, const Values& y, const Values& gate, const Values& index, int64_t width);
Expected rope(const Expected& x, const Values& cos, const Values& sin, int64_t heads, int64_t width);

struct AttentionShape {
  int64_t queries, keys, heads, dim;
  double scale;
};
/// `table` [buckets, heads] and `bucket` [queries + keys - 1] may be empty. `probability_roundoff` is what the backend
/// may round softmax weights to.
Expected attention(const Values& q, const Values& k, const Values& v, const AttentionShape& shape, const Values& table,
                   const Values& bucket, double probability_roundoff);

/// Exact values: only the rounding to the result's dtype is allowed.
Expected exact(Values values);

struct ConvShape {
  int64_t frames, height, width, in_channels, out_channels;
  int64_t kernel_t, kernel_h, kernel_w;
};
/// x [frames, height, width, in], weight [out, in, kt, kh, kw] -> [To, Ho, Wo, out]; `residual` may be empty.
Expected conv(const Values& x, const Values& weight, const Values& bias, const Values& residual, const ConvShape& shape,
              const ConvGeometry& geometry, double product_error = 0);
/// Each pixel four times: [T, H, W, C] -> [T, 2H, 2W, C].
Values enlarged(const Values& x, int64_t frames, int64_t height, int64_t width, int64_t channels);
Expected channel_norm(const Values& x, const Values& gamma, int64_t channels, Activation kind);

struct ShortcutShape {
  int64_t frames, height, width, in_channels, out_channels, factor_t, factor_s;
};
/// Frames, height and width are those of x.
Expected dup_up_add(const Values& x, const Values& y, const ShortcutShape& shape, bool drop_first);
/// Frames, height and width are those of y.
Expected avg_down_add(const Values& x, const Values& y, const ShortcutShape& shape);

}  // namespace wan::reference
