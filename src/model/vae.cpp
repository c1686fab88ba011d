// The VAE networks put together from their blocks: decoder chunk by chunk, encoder over a whole video.
#include "model/vae.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "model/vae_layers.h"
#include "model/vae_structure.h"

namespace wan {
namespace {

using vae::Builder;
using vae::CausalConv;
using vae::kLevels;
using vae::kResample;
using vae::like;
using vae::ResidualBlock;

constexpr ConvGeometry kPointwise{};

/// conv2 with the denormalisation folded in: W (z * deviation + mean) + b.
std::unique_ptr<ConvWeights> denormalising(Builder& builder, const VaeConfig& config) {
  const Tensor weight = builder.read("conv2.weight"), bias = builder.read("conv2.bias");
  const int64_t z = config.latent_channels;
  float* w = weight->as<float>();
  for (int64_t o = 0; o < z; ++o)
    for (int64_t i = 0; i < z; ++i) {
      bias->as<float>()[o] += w[o * z + i] * config.mean()[static_cast<size_t>(i)];
      w[o * z + i] *= config.deviation()[static_cast<size_t>(i)];
    }
  auto conv = builder.backend.prepare_conv(weight, bias, ConvKind::kPlain, builder.compute);
  builder.device_bytes += conv->device_bytes;
  return conv;
}

/// The mean rows of conv1 with the normalisation folded in: (W x + b - mean) / deviation.
std::unique_ptr<ConvWeights> normalising(Builder& builder, const VaeConfig& config) {
  const Tensor weight = builder.read("conv1.weight"), bias = builder.read("conv1.bias");
  const int64_t z = config.latent_channels;
  const int64_t in = weight->shape[1];
  for (int64_t o = 0; o < z; ++o) {
    const float deviation = config.deviation()[static_cast<size_t>(o)];
    for (int64_t i = 0; i < in; ++i) weight->as<float>()[o * in + i] /= deviation;
    bias->as<float>()[o] = (bias->as<float>()[o] - config.mean()[static_cast<size_t>(o)]) / deviation;
  }
  auto conv =
      builder.backend.prepare_conv(weight->slice(0, 0, z), bias->slice(0, 0, z), ConvKind::kPlain, builder.compute);
  builder.device_bytes += conv->device_bytes;
  return conv;
}

struct DecoderLevel {
  std::vector<ResidualBlock> blocks;
  std::optional<vae::Upsample> upsample;
};

struct Decoder {
  std::unique_ptr<ConvWeights> conv2;
  CausalConv conv1;
  vae::Middle middle;
  std::vector<DecoderLevel> levels;
  Tensor head_gamma;
  CausalConv head;
  bool shortcuts;  // version 2.2 adds each level's input

  Decoder(Builder& builder, const VaeConfig& config)
      : conv2(denormalising(builder, config)),
        conv1(builder, "decoder.conv1"),
        middle(builder, "decoder.middle"),
        head_gamma(builder.vector("decoder.head.0.gamma")),
        head(builder, "decoder.head.2"),
        shortcuts(config.version == VaeVersion::k22) {
    for (int i = 0; i < kLevels; ++i) {
      DecoderLevel level;
      for (int j = 0; j < vae::kDecoderResiduals; ++j)
        level.blocks.emplace_back(builder, vae::decoder_block(config.version, i, j));
      if (i + 1 < kLevels) level.upsample.emplace(builder, vae::decoder_resample(config.version, i));
      levels.push_back(std::move(level));
    }
  }
};

struct EncoderLevel {
  std::vector<ResidualBlock> blocks;
  std::optional<vae::Downsample> downsample;
};

struct Encoder {
  CausalConv conv1_in;
  std::vector<EncoderLevel> levels;
  vae::Middle middle;
  Tensor head_gamma;
  CausalConv head;
  std::unique_ptr<ConvWeights> conv1;
  bool shortcuts;

  Encoder(Builder& builder, const VaeConfig& config)
      : conv1_in(builder, "encoder.conv1"),
        middle(builder, "encoder.middle"),
        head_gamma(builder.vector("encoder.head.0.gamma")),
        head(builder, "encoder.head.2"),
        conv1(normalising(builder, config)),
        shortcuts(config.version == VaeVersion::k22) {
    for (int i = 0; i < kLevels; ++i) {
      EncoderLevel level;
      for (int j = 0; j < vae::kEncoderResiduals; ++j)
        level.blocks.emplace_back(builder, vae::encoder_block(config.version, i, j));
      if (i + 1 < kLevels) level.downsample.emplace(builder, vae::encoder_resample(config.version, i));
      levels.push_back(std::move(level));
    }
  }
};

}  // namespace

struct Vae::Network {
  std::optional<Decoder> decoder;
  std::optional<Encoder> encoder;
  bool first = true;
  int64_t height = 0, width = 0;  // latent size
  vae::Columns columns;           // of the video that is decoded
  vae::Spares spares;
  Tensor histories;  // of all layers, and what is spare
};

Vae::Vae(Backend& backend, const VaeConfig& config, const WeightSource& source, const WeightFile* file, DType compute,
         Parts parts)
    : backend_(backend), config_(config), compute_(compute) {
  const std::vector<WeightPart> all = vae_parts(config.version, file);
  Builder builder{backend, source, all, compute, 0};
  network_ = std::make_unique<Network>();
  if (parts == Parts::kDecoder)
    network_->decoder.emplace(builder, config);
  else
    network_->encoder.emplace(builder, config);
  weight_bytes_ = builder.device_bytes;
}

Vae::~Vae() = default;
Vae::Vae(Vae&&) noexcept = default;

ColumnRange columns_of_rank(int64_t columns, int rank, int size) {
  const int64_t each = columns / size, larger = columns % size;
  const int64_t begin = rank * each + std::min<int64_t>(rank, larger);
  return {begin, begin + each + (rank < larger ? 1 : 0)};
}

int64_t Vae::frames_of(int64_t latent_frames, bool first) const {
  const VaeTraits& traits = config_.traits();
  return first ? traits.video_frames(latent_frames) : latent_frames * traits.stride_temporal;
}

namespace {

/// The memory of all histories that `begin(Arena&)` begins, in one block: a driver hands out pieces of 2 MiB.
template <typename Begin>
Tensor begin_histories(Backend& backend, const Begin& begin) {
  Arena counted = Arena::dry();
  begin(counted);
  Tensor block = backend.allocate(DType::kU8, {static_cast<int64_t>(counted.peak())}, "VAE histories");
  backend.fill_zero(block);
  Arena memory(block);
  begin(memory);
  return block;
}

vae::Columns shared_columns(Communicator* ranks, int64_t latent_width) {
  require_op(ranks == nullptr || ranks->size() <= latent_width,
             fmt::format("{} ranks share the {} columns of a latent, of which each has at least one",
                         ranks == nullptr ? 1 : ranks->size(), latent_width));
  return {ranks, latent_width};
}

int64_t own_count(const vae::Columns& columns) {
  if (!columns.are_shared()) return columns.latent;
  return columns_of_rank(columns.latent, columns.ranks->rank(), columns.ranks->size()).count();
}

}  // namespace

void Vae::begin_decode(int64_t height, int64_t width, int64_t chunk_frames, Communicator* ranks) {
  Network& net = *network_;
  require_op(net.decoder.has_value(), "this VAE was loaded without its decoder");
  net.first = true;
  net.height = height;
  net.width = width;
  net.columns = shared_columns(ranks, width);
  net.histories.reset();  // of a video that was not ended
  net.histories = begin_histories(backend_, [&](Arena& memory) {
    Decoder& d = *net.decoder;
    net.spares.clear();
    vae::Beginning beginning{memory, compute_, &net.spares, net.columns, height, own_count(net.columns), chunk_frames};
    d.conv1.begin(beginning);
    d.middle.begin(beginning);
    for (size_t i = 0; i < d.levels.size(); ++i) {
      DecoderLevel& level = d.levels[i];
      for (ResidualBlock& block : level.blocks) block.begin(beginning);
      if (!level.upsample) continue;
      beginning.frames = slice_of(i, beginning.frames);
      level.upsample->begin(beginning, level.blocks.back().out_channels());
      beginning.frames = level.upsample->frames_of(beginning.frames, false);
      beginning.height *= kResample;
      beginning.width *= kResample;
    }
    d.head.begin(beginning);
  });
}

void Vae::end_decode() {
  Decoder& d = *network_->decoder;
  d.conv1.end();
  d.middle.end();
  d.head.end();
  for (DecoderLevel& level : d.levels) {
    for (ResidualBlock& block : level.blocks) block.end();
    if (level.upsample) level.upsample->end();
  }
  network_->spares.clear();
  network_->histories.reset();
}

/// How many of a level's frames are enlarged at a time. Each later level has four times the pixels: the last takes
/// `slice_frames_` frames, the one before it twice as many.
int64_t Vae::slice_of(size_t level, int64_t frames) const {
  const int64_t levels_after = static_cast<int64_t>(network_->decoder->levels.size() - level) - 2;
  return slice_frames_ > 0 && levels_after < 2 ? std::min(slice_frames_, frames) : frames;
}

/// Levels `i` and up on frames `x`: the finished frames go to `out`. What a level enlarges is handed on at most `slice`
/// frames at a time where it is largest, so that the wide layers hold few frames whatever the chunk.
void Vae::decode_level(size_t i, TensorView x, bool first, Arena& arena, TensorView out) {
  Decoder& d = *network_->decoder;
  DecoderLevel& level = d.levels[i];
  const ArenaScope scope(arena);
  const TensorView h =
      arena.allocate(compute_, like(x, x.shape[0], level.blocks.back().out_channels()), "VAE activations");
  level.blocks.front().forward(backend_, arena, x, h);
  for (size_t j = 1; j < level.blocks.size(); ++j) level.blocks[j].forward(backend_, arena, h, h);
  if (!level.upsample) {
    d.head.forward(backend_, arena, h, d.head_gamma, {}, out);
    return;
  }
  vae::Upsample& upsample = *level.upsample;
  const int64_t factor_t = upsample.temporal() ? kResample : 1;
  const int64_t step = slice_of(i, h.shape[0]);
  int64_t written = 0;
  for (int64_t begin = 0; begin < h.shape[0]; begin += step) {
    const ArenaScope slice_scope(arena);
    const int64_t end = std::min(begin + step, h.shape[0]);
    const bool first_slice = first && begin == 0;
    const int64_t frames = upsample.frames_of(end - begin, first_slice);
    const TensorView y = arena.allocate(
        compute_, {frames, x.shape[1] * kResample, x.shape[2] * kResample, upsample.out_channels()}, "VAE activations");
    DupUp shortcut;
    if (d.shortcuts) shortcut = {x.slice(0, begin, end), factor_t, first_slice && factor_t > 1};
    upsample.forward(backend_, arena, h.slice(0, begin, end), first_slice, shortcut, y);
    // The levels that are handed slices multiply frames no more, but for the one whole chunks go to.
    const int64_t finished = step == h.shape[0] ? out.shape[0] : frames;
    decode_level(i + 1, y, first_slice, arena, out.slice(0, written, written + finished));
    written += finished;
  }
}

TensorView Vae::decode_chunk(TensorView latent, Arena& arena) {
  Network& net = *network_;
  Decoder& d = *net.decoder;
  const int64_t frames = latent.shape[1];
  require_op(latent.rank() == 4 && latent.shape[0] == config_.latent_channels && latent.shape[2] == net.height &&
                 latent.shape[3] == net.width && frames > 0,
             fmt::format("latent chunk is {}, expected [{}, n, {}, {}]", latent.shape.text(), config_.latent_channels,
                         net.height, net.width));
  if (!net.columns.are_shared()) return decode_columns(latent, arena);
  const bool has_whole = net.columns.ranks->rank() == 0;
  const int64_t enlarged = config_.traits().stride_spatial / config_.patch();
  const Shape whole{frames_of(frames, net.first), net.height * enlarged, net.width * enlarged, d.head.out_channels()};
  const TensorView out = has_whole ? arena.allocate(compute_, whole, "decoded chunk") : TensorView{};
  const ArenaScope scope(arena);
  const TensorView mine = decode_columns(net.columns.own(latent, 3), arena);
  const auto ranks = static_cast<size_t>(net.columns.ranks->size());
  std::vector<TensorView> to(ranks), from(ranks);
  to.front() = mine;
  for (size_t rank = 0; has_whole && rank < ranks; ++rank)
    from[rank] = net.columns.of(static_cast<int>(rank), out, 2, enlarged);
  net.columns.ranks->all_to_all(to, from, "all_to_all of decoded columns");
  return out;
}

/// Of this rank's columns of the latent the pixels.
TensorView Vae::decode_columns(TensorView latent, Arena& arena) {
  Network& net = *network_;
  Decoder& d = *net.decoder;
  const int64_t frames = latent.shape[1], width = latent.shape[3];
  // The last pixels of a latent position come out of the channels, `patch` a side.
  const int64_t enlarged = config_.traits().stride_spatial / config_.patch();
  const Shape out_shape{frames_of(frames, net.first), net.height * enlarged, width * enlarged, d.head.out_channels()};
  const TensorView out = arena.allocate(compute_, out_shape, "decoded chunk");
  const ArenaScope scope(arena);
  const TensorView x = arena.allocate(compute_, {frames, net.height, width, d.conv1.out_channels()}, "VAE activations");
  {
    const ArenaScope stem(arena);
    const TensorView z = arena.allocate(compute_, like(x, frames, config_.latent_channels), "VAE activations");
    const TensorView z2 = d.conv1.input_like(z, arena);
    backend_.copy(latent.permute({1, 2, 3, 0}), z);
    backend_.conv(*d.conv2, z, kPointwise, {}, z2);
    d.conv1.forward(backend_, arena, z2, {}, {}, x);
  }
  d.middle.forward(backend_, arena, x);
  decode_level(0, x, net.first, arena, out);
  net.first = false;
  return out;
}

namespace {

void begin_encode(Encoder& e, vae::Beginning beginning) {
  e.conv1_in.begin(beginning);
  for (EncoderLevel& level : e.levels) {
    for (ResidualBlock& block : level.blocks) block.begin(beginning);
    if (!level.downsample) continue;
    level.downsample->begin(beginning);
    beginning.frames = level.downsample->frames_of(beginning.frames, false);
    beginning.height /= kResample;
    beginning.width /= kResample;
  }
  e.middle.begin(beginning);
  e.head.begin(beginning);
}

void end_encode(Encoder& e) {
  e.conv1_in.end();
  for (EncoderLevel& level : e.levels) {
    for (ResidualBlock& block : level.blocks) block.end();
    if (level.downsample) level.downsample->end();
  }
  e.middle.end();
  e.head.end();
}

/// y += the averaged level input; a video's first chunk gets a zero frame in front where time is halved.
void add_average(Backend& backend, Arena& arena, const TensorView& x, int64_t factor_t, int64_t factor_s, bool first,
                 const TensorView& y) {
  if (factor_t == 1 && factor_s == 1 && x.shape == y.shape) {
    backend.add(x, y);
    return;
  }
  if (factor_t == 1 || !first) {
    backend.avg_down_add(x, factor_t, factor_s, y);
    return;
  }
  const ArenaScope scope(arena);
  const TensorView extended = arena.allocate(x.dtype, like(x, x.shape[0] + 1, x.shape[3]), "VAE activations");
  backend.fill_zero(extended.slice(0, 0, 1));
  backend.copy(x, extended.slice(0, 1, x.shape[0] + 1));
  backend.avg_down_add(extended, factor_t, factor_s, y);
}

/// One level on one chunk; the result is a fresh arena view.
TensorView encode_level(Backend& backend, Arena& arena, const Encoder& e, EncoderLevel& level, const TensorView& x,
                        bool first) {
  const int64_t channels = level.blocks.back().out_channels();
  const bool temporal = level.downsample && level.downsample->temporal();
  const int64_t shrink = level.downsample ? kResample : 1;
  const int64_t frames = level.downsample ? level.downsample->frames_of(x.shape[0], first) : x.shape[0];
  const TensorView y =
      arena.allocate(x.dtype, {frames, x.shape[1] / shrink, x.shape[2] / shrink, channels}, "VAE activations");
  const ArenaScope scope(arena);
  const TensorView h = level.downsample ? arena.allocate(x.dtype, like(x, x.shape[0], channels), "VAE activations") : y;
  level.blocks.front().forward(backend, arena, x, h);
  for (size_t j = 1; j < level.blocks.size(); ++j) level.blocks[j].forward(backend, arena, h, h);
  if (level.downsample) level.downsample->forward(backend, arena, h, first, y);
  if (e.shortcuts) add_average(backend, arena, x, temporal ? kResample : 1, shrink, first, y);
  return y;
}

}  // namespace

void Vae::encode(TensorView pixels, int64_t chunk_frames, Arena& arena, TensorView latent, Communicator* ranks) {
  require_op(network_->encoder.has_value(), "this VAE was loaded without its encoder");
  Encoder& e = *network_->encoder;
  const int64_t patch = config_.patch();
  const int64_t frames = pixels.shape[1];
  const VaeTraits& traits = config_.traits();
  require_op(traits.can_code(frames) && chunk_frames % traits.stride_temporal == 0 && chunk_frames > 0,
             "a video has a first frame and then whole strides of them, and is encoded in chunks of whole strides");
  const vae::Columns columns = shared_columns(ranks, latent.shape[3]);
  const TensorView own_pixels = columns.own(pixels, 3, traits.stride_spatial), own_latent = columns.own(latent, 3);
  const int64_t height = own_pixels.shape[2] / patch, width = own_pixels.shape[3] / patch;
  // The large levels take more frames at a time than a history has, and what the small ones would save in copies is not
  // worth the memory of their spare buffers.
  const Tensor histories = begin_histories(backend_, [&](Arena& memory) {
    begin_encode(e, {memory, compute_, nullptr, columns, height, width, chunk_frames});
  });
  int64_t done = 0, latents = 0;
  while (done < frames) {
    const bool first = done == 0;
    const int64_t count = first ? 1 : std::min(chunk_frames, frames - done);
    const ArenaScope scope(arena);
    const TensorView input = arena.allocate(compute_, {count, height, width, 3 * patch * patch}, "VAE activations");
    backend_.pixels_to_channels(own_pixels.slice(1, done, done + count), patch, input);
    TensorView x = arena.allocate(compute_, like(input, count, e.conv1_in.out_channels()), "VAE activations");
    e.conv1_in.forward(backend_, arena, input, {}, {}, x);
    for (EncoderLevel& level : e.levels) x = encode_level(backend_, arena, e, level, x, first);
    e.middle.forward(backend_, arena, x);
    const TensorView moments = arena.allocate(compute_, like(x, x.shape[0], e.head.out_channels()), "VAE activations");
    const TensorView mean = arena.allocate(compute_, like(x, x.shape[0], config_.latent_channels), "VAE activations");
    e.head.forward(backend_, arena, x, e.head_gamma, {}, moments);
    backend_.conv(*e.conv1, moments, kPointwise, {}, mean);
    backend_.copy(mean.permute({3, 0, 1, 2}), own_latent.slice(1, latents, latents + x.shape[0]));
    done += count;
    latents += x.shape[0];
  }
  end_encode(e);
  if (!columns.are_shared()) return;
  std::vector<TensorView> all;
  for (int rank = 0; rank < ranks->size(); ++rank) all.push_back(columns.of(rank, latent, 3));
  ranks->all_gather(own_latent, all, "all_gather of the latent");
}

}  // namespace wan
