#include "model/vae_layers.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/threads.h"

namespace wan::vae {
namespace {

constexpr ConvGeometry kPointwise{};
constexpr int64_t kReadChunk = int64_t{1} << 20;  // elements a thread reads at a time; few tensors have more

/// [T, H, W, C] as rows [T * H * W, C].
TensorView rows(const TensorView& x) { return x.reshape({x.count() / x.shape[-1], x.shape[-1]}); }

/// 3x3 that keeps the size: zeros around the whole frame, and nothing where `x` has the columns of others.
ConvGeometry same_3x3(const Columns& columns) {
  ConvGeometry geometry{1, 1, 1, 1, 1, 1, 1};
  if (columns.has_previous()) geometry.pad_left = 0;
  if (columns.has_next()) geometry.pad_right = 0;
  return geometry;
}

}  // namespace

const WeightPart* Builder::find(const std::string& name) const {
  for (const WeightPart& part : parts)
    if (part.source == name) return &part;
  return nullptr;
}

const WeightPart& Builder::at(const std::string& name) const {
  const WeightPart* part = find(name);
  require(part != nullptr, fmt::format("the VAE has no tensor {}", name));
  return *part;
}

Tensor Builder::read(const std::string& name) const {
  const WeightPart& part = at(name);
  Tensor host = host_tensor(DType::kF32, part.shape);
  auto* values = host->as<float>();
  for_chunks(part.shape.count(), kReadChunk,
             [&](int64_t begin, int64_t end) { source.read(part, begin, end, DType::kF32, values + begin); });
  return host;
}

Tensor Builder::vector(const std::string& name) {
  const Tensor host = read(name);
  const Shape flat{host->count()};
  Tensor device = backend.allocate(DType::kF32, flat, "VAE weights");
  // On the copy queue: loading does not wait for what the device computes.
  backend.copy_bytes(host->reshape(flat), device, Queue::kCopy);
  const Event copied = backend.record(Queue::kCopy);
  backend.synchronize(copied);
  device_bytes += device->bytes();
  return device;
}

std::unique_ptr<ConvWeights> Builder::conv(const std::string& name, ConvKind kind) {
  auto weights = backend.prepare_conv(read(name + ".weight"), read(name + ".bias"), kind, compute);
  device_bytes += weights->device_bytes;
  return weights;
}

std::unique_ptr<ConvWeights> Builder::conv_rows(const std::string& name, int64_t begin, int64_t end) {
  const Tensor weight = read(name + ".weight"), bias = read(name + ".bias");
  auto weights =
      backend.prepare_conv(weight->slice(0, begin, end), bias->slice(0, begin, end), ConvKind::kPlain, compute);
  device_bytes += weights->device_bytes;
  return weights;
}

TensorView Columns::of(int rank, TensorView x, int axis, int64_t scale) const {
  if (!are_shared()) return x;
  const ColumnRange range = columns_of_rank(latent, rank, ranks->size());
  return x.slice(axis, range.begin * scale, range.end * scale);
}

TensorView Columns::own(TensorView x, int axis, int64_t scale) const {
  return are_shared() ? of(ranks->rank(), x, axis, scale) : x;
}

Shape widened(const Columns& columns, Reach reach, TensorView x) {
  Shape shape = x.shape;
  if (reach == Reach::kBoth && columns.has_previous()) ++shape[2];
  if (columns.has_next()) ++shape[2];
  return shape;
}

void widen(Backend& backend, const Columns& columns, Reach reach, TensorView x, TensorView to) {
  const int64_t width = x.shape[2], before = reach == Reach::kBoth && columns.has_previous() ? 1 : 0;
  backend.copy(x, to.slice(2, before, before + width));
  Communicator::Halo halo;
  if (columns.has_previous()) halo.to_previous = x.slice(2, 0, 1);
  if (columns.has_next()) halo.from_next = to.slice(2, before + width, before + width + 1);
  if (reach == Reach::kBoth && columns.has_next()) halo.to_next = x.slice(2, width - 1, width);
  if (before > 0) halo.from_previous = to.slice(2, 0, 1);
  columns.ranks->exchange_halo(halo, "halo of the VAE");
}

void*& Spares::of(Arena& memory, int64_t bytes) {
  const auto [at, is_new] = spares_.try_emplace(bytes, nullptr);
  if (is_new) at->second = memory.allocate(DType::kU8, {bytes}, "VAE histories").data;
  return at->second;
}

void History::begin(const Beginning& beginning, int64_t count, int64_t channels) {
  const auto& [memory, dtype, spares, columns, height, width, frames] = beginning;
  const TensorView all = memory.allocate(dtype, {count, height, width, channels}, "VAE histories");
  piece_ = all.slice(0, 0, frames == count ? count : 1);
  pieces_.clear();
  for (int64_t i = 0; i < count; i += piece_.shape[0]) pieces_.push_back(all.at(i).data);
  const bool passes = spares != nullptr && frames == piece_.shape[0];
  spare_ = passes ? &spares->of(memory, static_cast<int64_t>(piece_.bytes())) : nullptr;
  set_frames();
}

void History::end() {
  pieces_.clear();
  frames_.clear();
  spare_ = nullptr;
}

void History::set_frames() {
  frames_.clear();
  for (void* data : pieces_) {
    TensorView piece = piece_;
    piece.data = data;
    for (int64_t i = 0; i < piece.shape[0]; ++i) frames_.push_back(piece.at(i));
  }
}

TensorView History::spare(int64_t frames) const {
  if (spare_ == nullptr || frames != piece_.shape[0]) return {};
  TensorView piece = piece_;
  piece.data = *spare_;
  return piece;
}

void History::remember(Backend& backend, TensorView seen) {
  const auto past = static_cast<int64_t>(frames_.size());
  const int64_t count = seen.shape[0], kept = std::min(count, past);
  if (spare_ != nullptr && seen.data == *spare_) {
    std::swap(pieces_.front(), *spare_);
    std::rotate(pieces_.begin(), pieces_.begin() + 1, pieces_.end());
    return set_frames();
  }
  const auto at = [&](int64_t i) { return frames_[static_cast<size_t>(i)]; };
  if (piece_.shape[0] == 1) {
    std::rotate(pieces_.begin(), pieces_.begin() + kept, pieces_.end());
    set_frames();
  } else {
    for (int64_t i = 0; i + kept < past; ++i) backend.copy(at(i + kept), at(i));
  }
  for (int64_t i = 0; i < kept; ++i) backend.copy(seen.at(count - kept + i), at(past - kept + i));
}

CausalConv::CausalConv(Builder& builder, const std::string& name) : weights_(builder.conv(name)) {}

void CausalConv::begin(const Beginning& beginning) {
  columns_ = beginning.columns;
  Beginning wide = beginning;
  wide.width += (columns_.has_previous() ? 1 : 0) + (columns_.has_next() ? 1 : 0);
  history_.begin(wide, weights_->kernel_t - 1, weights_->in_channels);
}

TensorView CausalConv::input_like(TensorView x, Arena& arena) const {
  const TensorView spare = history_.spare(x.shape[0]);
  // An input that goes without norm is widened from elsewhere.
  return spare.empty() || spare.shape != x.shape ? arena.allocate(x.dtype, x.shape, "VAE activations") : spare;
}

/// Of this rank's x what the convolution reads.
TensorView CausalConv::make_input(Backend& backend, Arena& arena, TensorView x, TensorView gamma) const {
  if (!columns_.are_shared()) {
    if (gamma.empty()) return x;
    const TensorView input = input_like(x, arena);
    backend.channel_norm(x, gamma, Activation::kSilu, input);
    return input;
  }
  const TensorView spare = history_.spare(x.shape[0]);
  const TensorView input =
      spare.empty() ? arena.allocate(x.dtype, widened(columns_, Reach::kBoth, x), "VAE activations") : spare;
  widen(backend, columns_, Reach::kBoth, x, input);
  if (!gamma.empty()) backend.channel_norm(input, gamma, Activation::kSilu, input);
  return input;
}

void CausalConv::forward(Backend& backend, Arena& arena, TensorView x, TensorView gamma, TensorView residual,
                         TensorView y) {
  const ArenaScope scope(arena);
  const TensorView input = make_input(backend, arena, x, gamma);
  backend.conv_after(*weights_, history_.frames(), input, same_3x3(columns_), residual, y, arena);
  history_.remember(backend, input);
}

ResidualBlock::ResidualBlock(Builder& builder, const std::string& prefix)
    : gamma_first_(builder.vector(prefix + ".residual.0.gamma")),
      gamma_second_(builder.vector(prefix + ".residual.3.gamma")),
      first_(builder, prefix + ".residual.2"),
      second_(builder, prefix + ".residual.6") {
  if (builder.find(prefix + ".shortcut.weight") != nullptr) shortcut_ = builder.conv(prefix + ".shortcut");
}

void ResidualBlock::begin(const Beginning& beginning) {
  first_.begin(beginning);
  second_.begin(beginning);
}

void ResidualBlock::end() {
  first_.end();
  second_.end();
}

void ResidualBlock::forward(Backend& backend, Arena& arena, TensorView x, TensorView y) {
  const ArenaScope scope(arena);
  const TensorView hidden = arena.allocate(x.dtype, like(x, x.shape[0], out_channels()), "VAE activations");
  first_.forward(backend, arena, x, gamma_first_, {}, hidden);
  if (shortcut_ == nullptr) {
    second_.forward(backend, arena, hidden, gamma_second_, x, y);
    return;
  }
  backend.conv(*shortcut_, x, kPointwise, {}, y);
  second_.forward(backend, arena, hidden, gamma_second_, y, y);
}

FrameAttention::FrameAttention(Builder& builder, const std::string& prefix)
    : gamma_(builder.vector(prefix + ".norm.gamma")),
      qkv_(builder.conv(prefix + ".to_qkv")),
      projection_(builder.conv(prefix + ".proj")) {}

/// Of qkv of this rank's columns k and v of all, in their place and with the strides of one rank's; what stands for q
/// has no values.
TensorView FrameAttention::gather_keys(Arena& arena, TensorView qkv) const {
  if (!columns_.are_shared()) return qkv;
  const int64_t channels = qkv.shape[3] / 3;
  const auto keys = [&](const TensorView& view) { return view.slice(3, channels, 3 * channels); };
  const TensorView whole =
      arena.allocate(qkv.dtype, {qkv.shape[0], qkv.shape[1], columns_.latent, qkv.shape[3]}, "VAE activations");
  std::vector<TensorView> all;
  for (int rank = 0; rank < columns_.ranks->size(); ++rank) all.push_back(keys(columns_.of(rank, whole, 2)));
  columns_.ranks->all_gather(keys(qkv), all, "all_gather of the VAE's keys");
  return whole;
}

void FrameAttention::forward(Backend& backend, Arena& arena, TensorView x) {
  const ArenaScope scope(arena);
  const int64_t channels = x.shape[3];
  const int64_t positions = x.shape[1] * x.shape[2];
  const TensorView normed = arena.allocate(x.dtype, x.shape, "VAE activations");
  const TensorView qkv = arena.allocate(x.dtype, like(x, x.shape[0], 3 * channels), "VAE activations");
  backend.channel_norm(x, gamma_, Activation::kNone, normed);
  backend.conv(*qkv_, normed, kPointwise, {}, qkv);
  const TensorView all = gather_keys(arena, qkv);
  const int64_t all_positions = all.shape[1] * all.shape[2];
  const TensorView query_rows = rows(qkv), key_rows = rows(all), mixed = rows(normed);
  const float scale = 1.0f / std::sqrt(static_cast<float>(channels));
  for (int64_t t = 0; t < x.shape[0]; ++t) {
    const TensorView queries = query_rows.slice(0, t * positions, (t + 1) * positions);
    const TensorView keys = key_rows.slice(0, t * all_positions, (t + 1) * all_positions);
    backend.attention(queries.slice(1, 0, channels), keys.slice(1, channels, 2 * channels),
                      keys.slice(1, 2 * channels, 3 * channels), 1, scale,
                      mixed.slice(0, t * positions, (t + 1) * positions));
  }
  backend.conv(*projection_, normed, kPointwise, x, x);
}

Middle::Middle(Builder& builder, const std::string& prefix)
    : first_(builder, prefix + ".0"), attention_(builder, prefix + ".1"), last_(builder, prefix + ".2") {}

void Middle::begin(const Beginning& beginning) {
  first_.begin(beginning);
  attention_.begin(beginning);
  last_.begin(beginning);
}

void Middle::end() {
  first_.end();
  last_.end();
}

void Middle::forward(Backend& backend, Arena& arena, TensorView x) {
  first_.forward(backend, arena, x, x);
  attention_.forward(backend, arena, x);
  last_.forward(backend, arena, x, x);
}

Upsample::Upsample(Builder& builder, const std::string& prefix)
    : spatial_(builder.conv(prefix + ".resample.1", ConvKind::kNearestUpsample2x)) {
  const WeightPart* time = builder.find(prefix + ".time_conv.weight");
  if (time == nullptr) return;
  const int64_t channels = time->shape[0] / kResample;  // those of each of the frames that one becomes
  earlier_ = builder.conv_rows(prefix + ".time_conv", 0, channels);
  later_ = builder.conv_rows(prefix + ".time_conv", channels, kResample * channels);
}

void Upsample::begin(const Beginning& beginning, int64_t channels) {
  columns_ = beginning.columns;
  if (!temporal()) return;
  Beginning copied = beginning;  // its input is made elsewhere, and read again
  copied.spares = nullptr;
  history_.begin(copied, 2, channels);
}

void Upsample::enlarge(Backend& backend, Arena& arena, TensorView x, const DupUp& shortcut, TensorView y) {
  if (columns_.are_shared()) {
    // The columns of others are enlarged too, and left out: beside them the kernel reads zeros instead of what is
    // there.
    const ArenaScope scope(arena);
    const TensorView wide = arena.allocate(x.dtype, widened(columns_, Reach::kBoth, x), "VAE activations");
    widen(backend, columns_, Reach::kBoth, x, wide);
    const TensorView large =
        arena.allocate(y.dtype, {y.shape[0], y.shape[1], kResample * wide.shape[2], y.shape[3]}, "VAE activations");
    backend.conv(*spatial_, wide, kPointwise, {}, large);
    const int64_t before = columns_.has_previous() ? kResample : 0;
    backend.copy(large.slice(2, before, before + y.shape[2]), y);
    if (!shortcut.x.empty()) backend.dup_up_add(shortcut.x, shortcut.factor_t, kResample, shortcut.drop_first, y);
    return;
  }
  if (shortcut.x.empty())
    backend.conv(*spatial_, x, kPointwise, {}, y);
  else
    backend.conv_dup_up_add(*spatial_, x, kPointwise, shortcut, y);
}

void Upsample::forward(Backend& backend, Arena& arena, TensorView x, bool first, const DupUp& shortcut, TensorView y) {
  if (!temporal()) {
    enlarge(backend, arena, x, shortcut, y);
    return;
  }
  const ArenaScope scope(arena);
  const TensorView doubled =
      arena.allocate(x.dtype, like(x, frames_of(x.shape[0], first), x.shape[3]), "VAE activations");
  // The first frame of a video passes by untouched and is never seen by the time convolution, for which it counts as
  // zero.
  const int64_t passed = first ? 1 : 0;
  const int64_t frames = x.shape[0] - passed;
  if (first) backend.copy(x.slice(0, 0, 1), doubled.slice(0, 0, 1));
  if (frames > 0) {
    const TensorView input = x.slice(0, passed, x.shape[0]);
    const TensorView pairs =
        doubled.slice(0, passed, doubled.shape[0]).reshape({frames, kResample, x.shape[1], x.shape[2], x.shape[3]});
    backend.conv_after(*earlier_, history_.frames(), input, kPointwise, {}, pairs.select(1, 0), arena);
    backend.conv_after(*later_, history_.frames(), input, kPointwise, {}, pairs.select(1, 1), arena);
    history_.remember(backend, input);
  }
  enlarge(backend, arena, doubled, shortcut, y);
}

Downsample::Downsample(Builder& builder, const std::string& prefix) : spatial_(builder.conv(prefix + ".resample.1")) {
  if (builder.find(prefix + ".time_conv.weight") != nullptr) time_ = builder.conv(prefix + ".time_conv");
}

void Downsample::begin(const Beginning& beginning) {
  columns_ = beginning.columns;
  if (!temporal()) return;
  Beginning halved = beginning;
  halved.height /= kResample;
  halved.width /= kResample;
  history_.begin(halved, 1, time_->in_channels);
}

void Downsample::halve(Backend& backend, Arena& arena, TensorView x, TensorView y) {
  ConvGeometry geometry{1, kResample, kResample, 0, 1, 0, 1};
  if (!columns_.are_shared()) return backend.conv(*spatial_, x, geometry, {}, y);
  const ArenaScope scope(arena);
  const TensorView wide = arena.allocate(x.dtype, widened(columns_, Reach::kNext, x), "VAE activations");
  widen(backend, columns_, Reach::kNext, x, wide);
  if (columns_.has_next()) geometry.pad_right = 0;
  backend.conv(*spatial_, wide, geometry, {}, y);
}

void Downsample::forward(Backend& backend, Arena& arena, TensorView x, bool first, TensorView y) {
  if (!temporal()) {
    halve(backend, arena, x, y);
    return;
  }
  const ArenaScope scope(arena);
  const Shape small{x.shape[0], x.shape[1] / kResample, x.shape[2] / kResample, spatial_->out_channels};
  if (first) {
    // y_0 = x_0; then y_j = conv(x_{2j-2}, x_{2j-1}, x_{2j}): the first frame is the history of what follows.
    const TensorView halved = arena.allocate(x.dtype, small, "VAE activations");
    halve(backend, arena, x, halved);
    backend.copy(halved.slice(0, 0, 1), y.slice(0, 0, 1));
    if (x.shape[0] > 1) backend.conv(*time_, halved, {kResample, 1, 1, 0, 0, 0, 0}, {}, y.slice(0, 1, y.shape[0]));
    history_.remember(backend, halved);
    return;
  }
  // The history and what follows, which the spatial convolution writes where the one of time reads both.
  Shape padded = small;
  ++padded[0];
  const TensorView input = arena.allocate(x.dtype, padded, "VAE activations");
  const TensorView halved = input.slice(0, 1, padded[0]);
  backend.copy(history_.frames().front(), input.at(0));
  halve(backend, arena, x, halved);
  history_.remember(backend, halved);
  backend.conv(*time_, input, {kResample, 1, 1, 0, 0, 0, 0}, {}, y);
}

}  // namespace wan::vae
