#include "model/dit_speech.h"

#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "base/error.h"
#include "model/causal_encoder.h"

namespace wan {
namespace {

constexpr int64_t kReferenceFrame = 30;  // where the reference's tokens stand, however long the clip
constexpr float kInjectorEps = 1e-5f;    // of the norm before audio is injected: not the model's own

/// `count` places over 0 .. extent - 1, truncated as numpy.linspace(...).astype(int) does.
std::vector<int64_t> spread(int64_t count, int64_t extent) {
  std::vector<int64_t> places(static_cast<size_t>(count));
  if (count < 2) return places;
  const double step = static_cast<double>(extent - 1) / static_cast<double>(count - 1);
  for (int64_t i = 0; i + 1 < count; ++i)
    places[static_cast<size_t>(i)] = static_cast<int64_t>(static_cast<double>(i) * step);
  places.back() = extent - 1;
  return places;
}

void add_positions(int64_t frame, const std::vector<int64_t>& rows, const std::vector<int64_t>& columns,
                   std::vector<TokenPosition>& out) {
  for (const int64_t row : rows)
    for (const int64_t column : columns) out.push_back({frame, row, column});
}

/// Patches of latent frames [z, patch.frames, H, W] as [rows, columns, z, frames, rows, columns of a patch].
TensorView patches_of(const TensorView& frames, const Patch& patch) {
  TensorView view = frames;
  view.shape = {frames.shape[2] / patch.rows,
                frames.shape[3] / patch.columns,
                frames.shape[0],
                patch.frames,
                patch.rows,
                patch.columns};
  view.strides = {patch.rows * frames.stride(2),
                  patch.columns * frames.stride(3),
                  frames.stride(0),
                  frames.stride(1),
                  frames.stride(2),
                  frames.stride(3)};
  return view;
}

/// The rows of tokens [n, d] as a convolution's result [1, d, T, H, W].
TensorView as_planes(const TensorView& rows, const PatchGrid& grid) {
  return rows.reshape({1, grid.frames, grid.rows, grid.columns, rows.shape[1]}).permute({0, 4, 1, 2, 3});
}

}  // namespace

std::array<MotionGroup, 3> motion_groups(const Patch& patch) {
  const auto times = [&](int64_t frames, int64_t side) {
    return Patch{frames * patch.frames, side * patch.rows, side * patch.columns};
  };
  return {{{"frame_packer.proj", times(1, 1), 18, 1},
           {"frame_packer.proj_2x", times(2, 2), 16, 2},
           {"frame_packer.proj_4x", times(4, 4), 0, 16}}};
}

std::vector<TokenPosition> speech_positions(const PatchGrid& grid, bool has_motion) {
  std::vector<TokenPosition> out;
  const std::vector<int64_t> rows = spread(grid.rows, grid.rows), columns = spread(grid.columns, grid.columns);
  add_positions(kReferenceFrame, rows, columns, out);
  if (!has_motion) return out;
  add_positions(-1, rows, columns, out);
  for (const auto& [frames, side] :
       {std::pair{std::vector<int64_t>{-3}, 2}, {std::vector<int64_t>{-19, -14, -9, -4}, 4}})
    for (const int64_t frame : frames)
      add_positions(frame, spread(grid.rows / side, grid.rows), spread(grid.columns / side, grid.columns), out);
  return out;
}

DitSpeech::DitSpeech(Backend& backend, const DitConfig& config, DType compute, TensorView dit_stem, TensorView stem)
    : backend_(backend),
      config_(config),
      compute_(compute),
      dit_layout_(dit_stem_layout(config, compute)),
      layout_(speech_stem_layout(config, compute)),
      injector_layout_(speech_injector_layout(config, 0, compute)),
      dit_stem_(dit_stem),
      stem_(stem) {
  const Shape row{config.dim};
  const Tensor sum = backend.allocate(DType::kF32, row, "speech biases");
  backend.combine(std::array{Term{1.0f, this->stem("cond_encoder.bias")}, Term{1.0f, mask(0)}}, sum);
  pose_bias_ = as_compute(sum);
  patch_bias_ = backend.allocate(DType::kF32, row, "speech biases");
  backend.copy(dit_layout_.view(dit_stem, "patch_embedding.bias"), patch_bias_);
  backend.synchronize();  // the temporary goes now
}

Tensor DitSpeech::as_compute(TensorView f32) {
  Tensor out = backend_.allocate(compute_, f32.shape, "speech rows");
  backend_.copy(f32, out);
  return out;
}

/// Tokens of a latent [z, T, H, W], frame by frame, F32.
void DitSpeech::embed(TensorView latent, const Embedding& by, TensorView rows, const std::string& name, Probe* probe) {
  const Patch& patch = by.patch;
  const PatchGrid grid = patch.grid(latent.shape[1], latent.shape[2], latent.shape[3]);
  const int64_t positions = grid.rows * grid.columns, in = latent.shape[0] * patch.positions();
  const Tensor patches = backend_.allocate(compute_, {grid.tokens(), in}, "speech patches");
  for (int64_t t = 0; t < grid.frames; ++t) {
    const TensorView from = patches_of(latent.slice(1, t * patch.frames, (t + 1) * patch.frames), patch);
    backend_.copy(from, patches.view().slice(0, t * positions, (t + 1) * positions).reshape(from.shape));
  }
  const Tensor bias = as_compute(by.bias);
  backend_.linear(patches, by.weight, bias, Activation::kNone, rows);
  if (probe != nullptr) probe->tensor(name, as_planes(rows, grid));
  const Tensor mask_rows = backend_.allocate(DType::kF32, rows.shape, "speech masks");
  backend_.copy(repeated(by.mask, rows.shape[0]), mask_rows);
  backend_.add(mask_rows, rows);
  backend_.synchronize();  // the temporaries go now
}

void DitSpeech::begin_clip(const Clip& clip, Probe* probe) {
  const Patch& patch = config_.patch;
  const TensorView pose = clip.pose;
  const PatchGrid grid = patch.grid(pose.shape[1], pose.shape[2], pose.shape[3]);
  pose_ = pose;
  behind_.reset();
  const auto count = static_cast<int64_t>(speech_positions(grid, !clip.motion.empty()).size());
  behind_ = backend_.allocate(DType::kF32, {count, config_.dim}, "tokens behind the latent's");
  const int64_t positions = grid.rows * grid.columns;
  embed(clip.reference, {dit_layout_.view(dit_stem_, "patch_embedding.weight"), patch_bias_, mask(1), patch},
        behind_.view().slice(0, 0, positions), "patch_embedding.ref", probe);
  int64_t done = positions;
  for (const MotionGroup& group : motion_groups(patch)) {
    if (clip.motion.empty()) break;
    const TensorView frames = clip.motion.slice(1, group.first, group.first + group.frames);
    const int64_t tokens = group.patch.grid(group.frames, pose.shape[2], pose.shape[3]).tokens();
    const std::string name(group.name);
    embed(frames, {stem(name + ".weight"), stem(name + ".bias"), mask(2), group.patch},
          behind_.view().slice(0, done, done + tokens), name, probe);
    done += tokens;
  }
  if (probe != nullptr) {
    const Tensor rows = backend_.allocate(DType::kF32, {grid.tokens(), config_.dim}, "pose tokens");
    embed(pose, {stem("cond_encoder.weight"), stem("cond_encoder.bias"), mask(0), patch}, rows, "cond_encoder", probe);
  }
  const Tensor index = host_tensor(DType::kI32, {grid.tokens()});
  for (int64_t l = 0; l < grid.tokens(); ++l) index->as<int32_t>()[l] = static_cast<int32_t>(l / positions);
  frame_index_ = backend_.allocate(DType::kI32, index->shape, "token frames");
  backend_.upload(index, frame_index_);
}

void DitSpeech::add_to_tokens(const DitExtension::Rows& rows) {
  const int64_t n = rows.latent_tokens, in = pose_.shape[0] * config_.patch.positions();
  const TensorView patches(rows.wide.data, compute_, {n, in}, rows.wide.memory);
  const TensorView added = rows.y.slice(0, 0, n);
  backend_.patchify(pose_, patches);
  backend_.linear(patches, stem("cond_encoder.weight"), pose_bias_, Activation::kNone, added);
  backend_.add(added, rows.x.slice(0, 0, n));
  backend_.copy(behind_, rows.x.slice(0, n, rows.x.shape[0]));
}

/// The clip's audio, averaged over the layers and with the first frame repeated before it: F32 on the device
/// [kMotionFrames + frames, audio_dim].
Tensor DitSpeech::weighted_layers(TensorView audio) {
  const SpeechConfig& speech = config_.speech;
  require_op(
      audio.rank() == 3 && audio.shape[0] == speech.audio_layers && audio.shape[1] == speech.audio_dim &&
          audio.is_contiguous(),
      fmt::format("audio is {}, expected {} layers of {}", audio.shape.text(), speech.audio_layers, speech.audio_dim));
  const int64_t frames = audio.shape[2], width = speech.audio_dim;
  const Tensor weights = backend_.download(stem("weights"));
  std::vector<double> shares(static_cast<size_t>(speech.audio_layers));
  for (size_t i = 0; i < shares.size(); ++i) {
    const double weight = weights->as<float>()[i];
    shares[i] = weight / (1 + std::exp(-weight));
  }
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  Tensor host = host_tensor(DType::kF32, {kMotionFrames + frames, width});
  for (int64_t t = 0; t < frames; ++t)
    for (int64_t c = 0; c < width; ++c) {
      double value = 0;
      for (size_t i = 0; i < shares.size(); ++i)
        value += shares[i] * audio.as<float>()[(static_cast<int64_t>(i) * width + c) * frames + t];
      host->as<float>()[(kMotionFrames + t) * width + c] = static_cast<float>(value / sum);
    }
  for (int64_t t = 0; t < kMotionFrames; ++t)
    std::copy_n(host->as<float>() + kMotionFrames * width, width, host->as<float>() + t * width);
  Tensor x = backend_.allocate(DType::kF32, host->shape, "audio rows");
  backend_.upload(host, x);
  return x;
}

SpeechContext DitSpeech::embed_audio(TensorView audio, Probe* probe) {
  const int64_t d = config_.dim, own = config_.speech.audio_tokens, injected = config_.speech.injected;
  const Tensor x = weighted_layers(audio);
  const CausalEncoder encoder(backend_, config_.eps, [this](const std::string& name) { return stem(name); });
  const std::vector<Tensor> tokens = encoder.tokens(x, own);
  Tensor local;
  for (int64_t token = 0; const Tensor& rows : tokens) {
    const int64_t frames = rows->shape[0] - kMotionLatents;
    if (local.empty()) local = backend_.allocate(DType::kF32, {frames, own + 1, d}, "audio tokens");
    backend_.copy(rows.view().slice(0, kMotionLatents, rows->shape[0]), local.view().select(1, token++));
  }
  const int64_t frames = local->shape[0];
  backend_.copy(repeated(stem("padding_tokens"), frames), local.view().select(1, own));
  const Tensor tail = encoder.rest(encoder.first(x, "conv1_global"));
  const Tensor global = backend_.allocate(DType::kF32, {frames, d}, "audio tokens");
  backend_.linear(tail.view().slice(0, kMotionLatents, tail->shape[0]), stem("final_linear.weight"),
                  stem("final_linear.bias"), Activation::kNone, global);
  if (probe != nullptr) {
    probe->tensor("audio_local", local.view().reshape({1, frames, own + 1, d}));
    probe->tensor("audio_global", global.view().reshape({1, frames, 1, d}));
  }
  backend_.activate(global, Activation::kSilu, global);
  SpeechContext context;
  context.local = as_compute(local.view().reshape({frames * (own + 1), d}));
  context.global = as_compute(global);
  context.modulation = backend_.allocate(DType::kF32, {injected, frames, 2 * d}, "audio modulation");
  context.keys_values = backend_.allocate(compute_, {injected, frames * (own + 1), 2 * d}, "audio keys and values");
  context.filled.assign(static_cast<size_t>(injected), false);
  backend_.synchronize();  // the temporaries go now
  return context;
}

void DitSpeech::Branch::after_block(int block, const Rows& rows) {
  Backend& b = speech_.backend_;
  const DitConfig& c = speech_.config_;
  const int64_t place = c.speech.place_of(block), d = c.dim, n = rows.latent_tokens;
  const TensorView slab = injectors_.acquire(static_cast<int>(place));
  const auto w = [&](const char* name) { return speech_.injector_layout_.view(slab, name); };
  const TensorView modulation = audio_.modulation.view().at(place), kv = audio_.keys_values.view().at(place);
  const TensorView k = kv.slice(1, 0, d), v = kv.slice(1, d, 2 * d);
  if (!audio_.filled[static_cast<size_t>(place)]) {
    b.linear(audio_.global, w("adain.weight"), w("adain.bias"), Activation::kNone, modulation);
    b.linear(audio_.local, w("kv.weight"), w("kv.bias"), Activation::kNone, kv);
    b.rms_norm(k, w("norm_k.weight"), c.eps, k);
    audio_.filled[static_cast<size_t>(place)] = true;
  }
  const TensorView x = rows.x.slice(0, 0, n), normed = rows.n.slice(0, 0, n), y = rows.y.slice(0, 0, n);
  const TensorView q(rows.wide.data, speech_.compute_, {n, d}, rows.wide.memory);
  const int64_t frames = modulation.shape[0], positions = n / frames;
  const auto probe = [&](const char* name, const TensorView& value) {
    if (rows.probe != nullptr)
      rows.probe->tensor(fmt::format("audio_injector.{}.{}", name, place), value.reshape({frames, positions, d}));
  };
  b.modulated_layer_norm(x, modulation.slice(1, 0, d), modulation.slice(1, d, 2 * d), speech_.frame_index_,
                         kInjectorEps, normed);
  probe("injector_adain_layers", normed);
  b.linear(normed, w("q.weight"), w("q.bias"), Activation::kNone, q);
  b.rms_norm(q, w("norm_q.weight"), c.eps, q);
  const float scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim()));
  b.attention_in_groups(q, k, v, frames, c.num_heads, scale, normed);
  b.linear(normed, w("o.weight"), w("o.bias"), Activation::kNone, y);
  probe("injector", y);
  b.gated_residual(x, y, {}, {});
  injectors_.release(static_cast<int>(place));
  if (rows.probe != nullptr) rows.probe->tensor(fmt::format("blocks.{}.with_audio", block), rows.x);
}

}  // namespace wan
