#include "model/causal_encoder.h"

namespace wan {
namespace {

constexpr int64_t kHistory = 2;  // copies of the first row in front of a convolution
constexpr int64_t kTaps = kHistory + 1;

}  // namespace

TensorView repeated(const TensorView& row, int64_t rows) {
  TensorView view = row;
  view.shape = {rows, row.shape[0]};
  view.strides = {0, 1};
  return view;
}

/// A causal convolution over the rows of x [F, C], whose first row is repeated in front: [(F - 1) / stride + 1, O].
Tensor CausalEncoder::convolve(TensorView x, const std::string& name, int64_t stride) const {
  const int64_t frames = x.shape[0], width = x.shape[1], out_frames = (frames - 1) / stride + 1;
  const Tensor padded = backend_.allocate(DType::kF32, {kHistory + frames, width}, "causal rows");
  backend_.copy(repeated(x.at(0), kHistory), padded.view().slice(0, 0, kHistory));
  backend_.copy(x, padded.view().slice(0, kHistory, kHistory + frames));
  TensorView windows = padded;
  windows.shape = {out_frames, width, kTaps};
  windows.strides = {stride * width, 1, width};
  const Tensor rows = backend_.allocate(DType::kF32, {out_frames, width * kTaps}, "causal rows");
  backend_.copy(windows, rows.view().reshape(windows.shape));
  const TensorView weight = weight_(name + ".weight");
  Tensor y = backend_.allocate(DType::kF32, {out_frames, weight.shape[0]}, "causal rows");
  backend_.linear(rows, weight, weight_(name + ".bias"), Activation::kNone, y);
  backend_.synchronize();  // the temporaries go now
  return y;
}

void CausalEncoder::normalise_and_activate(TensorView x, TensorView y) const {
  backend_.layer_norm(x, {}, {}, eps_, y);
  backend_.activate(y, Activation::kSilu, y);
}

Tensor CausalEncoder::rest(TensorView x) const {
  Tensor y = backend_.allocate(DType::kF32, x.shape, "causal rows");
  normalise_and_activate(x, y);
  for (const char* name : {"conv2", "conv3"}) {
    y = convolve(y, name, 2);
    normalise_and_activate(y, y);
  }
  return y;
}

std::vector<Tensor> CausalEncoder::tokens(TensorView x, int64_t tokens) const {
  const Tensor rows = first(x, "conv1_local");
  const int64_t width = rows->shape[1] / tokens;
  std::vector<Tensor> out;
  for (int64_t token = 0; token < tokens; ++token)
    out.push_back(rest(rows.view().slice(1, token * width, (token + 1) * width)));
  backend_.synchronize();  // `rows` goes now
  return out;
}

}  // namespace wan
