// The causal video VAEs 2.1 and 2.2: latent <-> pixels, in chunks of any length with a temporal history per
// convolution. Sizes come from tensor shapes. Source: Wan-Video/Wan2.2 wan/modules/vae2_1.py and vae2_2.py.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "model/variant.h"
#include "model/weights.h"

namespace wan {

class Communicator;

struct VaeConfig {
  VaeVersion version = VaeVersion::k22;
  int64_t latent_channels = 0;
  const VaeTraits& traits() const { return traits_of(version); }
  int64_t patch() const { return traits().patch; }
  /// Per-channel mean and deviation of the latents, as many as latent_channels. Source: wan/modules/vae2_*.py.
  std::span<const float> mean() const;
  std::span<const float> deviation() const;
};

/// The stored tensors a VAE of these widths has; widths are read off `file`, or the published ones when it is null.
std::vector<WeightPart> vae_parts(VaeVersion version, const WeightFile* file);

/// Columns [begin, end) of a latent.
struct ColumnRange {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
  bool operator==(const ColumnRange&) const = default;
};

/// Those of `rank` of `size`, as many for each; the first ranks have one more where they are not a multiple.
ColumnRange columns_of_rank(int64_t columns, int rank, int size);

/// Decoder or encoder on one backend. Ranks may share a video by columns of the latent: each computes its own, asks its
/// neighbours for the column beside them where a convolution reads it, and all for the keys of the middle's attention.
/// That is exact. Communicators must outlive the video; there are at most as many ranks as columns.
class Vae {
 public:
  enum class Parts { kDecoder, kEncoder };
  /// Loads and prepares all weights for activations of `compute`. Blocking.
  Vae(Backend& backend, const VaeConfig& config, const WeightSource& source, const WeightFile* file, DType compute,
      Parts parts);
  ~Vae();
  Vae(Vae&&) noexcept;

  const VaeConfig& config() const { return config_; }
  /// Device bytes of the weights.
  uint64_t weight_bytes() const { return weight_bytes_; }

  /// Pixel frames a chunk of latent frames becomes: each one stride_temporal of them, the video's first a single one.
  int64_t frames_of(int64_t latent_frames, bool first) const;

  /// How many frames the last, widest level takes at a time (the one before it twice as many); 0: all of a chunk.
  /// Smaller needs less memory; the video is the same.
  void set_slice_frames(int64_t frames) { slice_frames_ = frames; }
  /// Starts a new video of latent size [H, W]: allocates and clears the histories. Chunks may have any length; those of
  /// `chunk_frames` cost the two last levels no copies where these then take one or two frames at a time. 0: all
  /// histories are copied, which needs less memory. The video is the same. `ranks`, that all call this and decode_chunk
  /// alike, share the columns.
  void begin_decode(int64_t height, int64_t width, int64_t chunk_frames = 1, Communicator* ranks = nullptr);
  /// latent F32 [z, n, H, W] (normalised; any strides; whole on every rank) -> channels-last rows for channels_to_*:
  /// [frames_of(n), H*e, W*e, 3*patch^2], e = stride_spatial / patch; on ranks other than 0 empty. The result lives in
  /// `arena` until the caller releases it.
  TensorView decode_chunk(TensorView latent, Arena& arena);
  /// Gives the histories back.
  void end_decode();

  /// pixels F32 [3, F, H, W] on the device, F as VaeTraits::can_code has it -> latent F32 [z, latent_frames(F), H/s,
  /// W/s], normalised (posterior mean). Temporaries come from `arena`; chunks hold at most `chunk_frames` (a multiple
  /// of stride_temporal) pixel frames. `ranks`, that all call this alike, share the columns: pixels and latent are
  /// whole on every rank.
  void encode(TensorView pixels, int64_t chunk_frames, Arena& arena, TensorView latent, Communicator* ranks = nullptr);

 private:
  struct Network;
  int64_t slice_of(size_t level, int64_t frames) const;
  TensorView decode_columns(TensorView latent, Arena& arena);
  void decode_level(size_t level, TensorView x, bool first, Arena& arena, TensorView out);
  Backend& backend_;
  VaeConfig config_;
  DType compute_;
  std::unique_ptr<Network> network_;
  uint64_t weight_bytes_ = 0;
  int64_t slice_frames_ = 0;
};

}  // namespace wan
