#include "reference.h"

#include <cmath>
#include <numbers>

namespace wan::reference {
namespace {

constexpr double kUnit = kFloatRoundoff;

size_t at(int64_t i) { return static_cast<size_t>(i); }

int64_t row_of(const Values& index, int64_t row) { return index.empty() ? 0 : static_cast<int64_t>(index[at(row)]); }

double gelu_argument(double x) { return 2 * std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x); }

}  // namespace

double activation(Activation kind, double x) {
  switch (kind) {
    case Activation::kNone: return x;
    case Activation::kSilu: return x / (1 + std::exp(-x));
    case Activation::kGeluTanh: return 0.5 * x * (1 + std::tanh(gelu_argument(x) / 2));
    case Activation::kGelu: return 0.5 * x * std::erfc(-x * std::numbers::sqrt2 / 2);
    case Activation::kLeakyRelu: return x < 0 ? 0.2f * x : x;
  }
  return NAN;
}

double activation_slack(Activation kind, double x, double slack) {
  if (kind == Activation::kNone) return slack;
  constexpr double kSteepest = 1.13;  // the largest slope of both functions
  // Of the complement of erf, whose value falls as exp(-x^2 / 2), a rounding of the argument weighs x^2.
  const double argument = kind == Activation::kSilu ? x : kind == Activation::kGelu ? x * x : gelu_argument(x);
  // tanh near -1 is a difference of two numbers near 1 where a backend evaluates 0.5 x (1 + tanh): |x| / 2 units.
  const double cancellation = kind == Activation::kGeluTanh ? std::abs(x) * kUnit : 0;
  // x / (1 + exp(-x)) far below zero: exp may stop at the largest float's power of two.
  const double saturation = std::abs(x) * 0x1p-126;
  return kSteepest * slack + (16 + 4 * std::abs(argument)) * kUnit * std::abs(activation(kind, x)) + cancellation +
         saturation;
}

Expected activate(Expected in, Activation kind) {
  for (size_t i = 0; i < in.value.size(); ++i) {
    in.slack[i] = activation_slack(kind, in.value[i], in.slack[i]);
    in.value[i] = activation(kind, in.value[i]);
  }
  return in;
}

Expected exact(Values values) {
  Expected out(static_cast<int64_t>(values.size()));
  out.value = std::move(values);
  return out;
}

Expected linear(const Values& x, const Values& weight, const Values& bias, int64_t m, int64_t n, int64_t k,
                Activation kind) {
  Expected out(m * n);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double total = bias.empty() ? 0 : bias[at(j)], size = std::abs(total);
      for (int64_t c = 0; c < k; ++c) {
        const double term = x[at(i * k + c)] * weight[at(j * k + c)];
        total += term;
        size += std::abs(term);
      }
      out.value[at(i * n + j)] = total;
      out.slack[at(i * n + j)] = sum_factor(k) * kUnit * size;
    }
  }
  return activate(std::move(out), kind);
}

Expected add_low_rank(const Values& base, const Values& up, const Values& down, double factor, int64_t n, int64_t m,
                      int64_t r) {
  Expected out(n * m);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < m; ++j) {
      double total = 0, size = 0;
      for (int64_t k = 0; k < r; ++k) {
        const double term = up[at(i * r + k)] * down[at(k * m + j)];
        total += term;
        size += std::abs(term);
      }
      const size_t here = at(i * m + j);
      out.value[here] = base[here] + factor * total;
      // The sum, its product with the factor, and the sum with the base.
      out.slack[here] = kUnit * ((sum_factor(r) + 1) * std::abs(factor) * size + std::abs(out.value[here]));
    }
  return out;
}

Expected layer_norm(const Expected& x, int64_t width, double eps) {
  Expected out(static_cast<int64_t>(x.value.size()));
  for (size_t begin = 0; begin < x.value.size(); begin += at(width)) {
    double mean = 0, size = 0, variance = 0, slack = 0;
    for (size_t i = begin; i < begin + at(width); ++i) {
      mean += x.value[i];
      size += std::abs(x.value[i]);
      slack = std::max(slack, x.slack[i]);
    }
    mean /= static_cast<double>(width);
    size /= static_cast<double>(width);
    for (size_t i = begin; i < begin + at(width); ++i) variance += (x.value[i] - mean) * (x.value[i] - mean);
    variance /= static_cast<double>(width);
    const double scale = 1 / std::sqrt(variance + eps);
    // The mean errs by the sum's factor times the mean size of its terms; the variance then by the same relative
    // factor.
    const double mean_slack = sum_factor(width) * kUnit * size + 2 * slack;
    for (size_t i = begin; i < begin + at(width); ++i) {
      out.value[i] = (x.value[i] - mean) * scale;
      const double relative = sum_factor(width) * kUnit + 2 * mean_slack * scale;
      out.slack[i] = scale * (mean_slack + kUnit * std::abs(x.value[i])) + relative * std::abs(out.value[i]);
    }
  }
  return out;
}

Expected rms_norm(const Expected& x, const Values& weight, int64_t width, double eps) {
  Expected out(static_cast<int64_t>(x.value.size()));
  for (size_t begin = 0; begin < x.value.size(); begin += at(width)) {
    double squares = 0;
    for (size_t i = begin; i < begin + at(width); ++i) squares += x.value[i] * x.value[i];
    const double scale = 1 / std::sqrt(squares / static_cast<double>(width) + eps);
    for (size_t i = begin; i < begin + at(width); ++i) {
      out.value[i] = x.value[i] * scale * weight[i - begin];
      out.slack[i] =
          sum_factor(width) * kUnit * std::abs(out.value[i]) + x.slack[i] * scale * std::abs(weight[i - begin]);
    }
  }
  return out;
}

Expected affine(Expected in, const Values& weight, const Values& bias) {
  for (size_t i = 0; i < in.value.size(); ++i) {
    const double w = weight.empty() ? 1 : weight[i % weight.size()];
    const double b = bias.empty() ? 0 : bias[i % bias.size()];
    in.slack[i] = in.slack[i] * std::abs(w) + 2 * kUnit * (std::abs(in.value[i] * w) + std::abs(b));
    in.value[i] = in.value[i] * w + b;
  }
  return in;
}

Expected modulate(Expected in, const Values& shift, const Values& scale, const Values& index, int64_t width) {
  for (size_t i = 0; i < in.value.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / width, column = static_cast<int64_t>(i) % width;
    const double factor = 1 + scale[at(row_of(index, row) * width + column)];
    const double added = shift[at(row_of(index, row) * width + column)];
    in.slack[i] =
        in.slack[i] * std::abs(factor) + 3 * kUnit * (std::abs(in.value[i]) * (1 + std::abs(factor)) + std::abs(added));
    in.value[i] = in.value[i] * factor + added;
  }
  return in;
}

Expected gated_residual(const Values& x, const Values& y, const Values& gate, const Values& index, int64_t width) {
  Expected out(static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const int64_t row = static_cast<int64_t>(i) / width, column = static_cast<int64_t>(i) % width;
    const double term = y[i] * (gate.empty() ? 1 : gate[at(row_of(index, row) * width + column)]);
    out.value[i] = x[i] + term;
    out.slack[i] = 2 * kUnit * (std::abs(x[i]) + std::abs(term));
  }
  return out;
}

Expected rope(const Expected& x, const Values& cos, const Values& sin, int64_t heads, int64_t width) {
  Expected out(static_cast<int64_t>(x.value.size()));
  const int64_t pairs = width / heads / 2;
  for (int64_t i = 0; i < static_cast<int64_t>(x.value.size()); i += 2) {
    const int64_t row = i / width, angle = row * pairs + i % width / 2 % pairs;
    const double c = cos[at(angle)], s = sin[at(angle)], a = x.value[at(i)], b = x.value[at(i + 1)];
    out.value[at(i)] = a * c - b * s;
    out.value[at(i + 1)] = a * s + b * c;
    out.slack[at(i)] = 2 * kUnit * (std::abs(a * c) + std::abs(b * s)) + x.slack[at(i)] * std::abs(c) +
                       x.slack[at(i + 1)] * std::abs(s);
    out.slack[at(i + 1)] = 2 * kUnit * (std::abs(a * s) + std::abs(b * c)) + x.slack[at(i)] * std::abs(s) +
                           x.slack[at(i + 1)] * std::abs(c);
  }
  return out;
}

Expected attention(const Values& q, const Values& k, const Values& v, const AttentionShape& s, const Values& table,
                   const Values& bucket, double probability_roundoff) {
  const int64_t width = s.heads * s.dim;
  Expected out(s.queries * width);
  Values weights(at(s.keys));
  for (int64_t h = 0; h < s.heads; ++h) {
    for (int64_t i = 0; i < s.queries; ++i) {
      double largest = -INFINITY, score_slack = 0, total = 0;
      for (int64_t j = 0; j < s.keys; ++j) {
        double score = 0, size = 0;
        for (int64_t d = 0; d < s.dim; ++d) {
          const double term = s.scale * q[at(i * width + h * s.dim + d)] * k[at(j * width + h * s.dim + d)];
          score += term;
          size += std::abs(term);
        }
        if (!table.empty()) score += table[at(static_cast<int64_t>(bucket[at(j - i + s.queries - 1)]) * s.heads + h)];
        weights[at(j)] = score;
        largest = std::max(largest, score);
        score_slack = std::max(score_slack, sum_factor(s.dim) * kUnit * (size + std::abs(score)));
      }
      for (double& weight : weights) total += weight = std::exp(weight - largest);
      // Each weight errs relatively by its score's error, the exponential's, and its rounding; so does their sum.
      const double relative = 2 * (score_slack + 64 * kUnit) + probability_roundoff + sum_factor(s.keys) * kUnit;
      for (int64_t d = 0; d < s.dim; ++d) {
        double mixed = 0, size = 0;
        for (int64_t j = 0; j < s.keys; ++j) {
          const double term = weights[at(j)] / total * v[at(j * width + h * s.dim + d)];
          mixed += term;
          size += std::abs(term);
        }
        out.value[at(i * width + h * s.dim + d)] = mixed;
        out.slack[at(i * width + h * s.dim + d)] = relative * size;
      }
    }
  }
  return out;
}

}  // namespace wan::reference
