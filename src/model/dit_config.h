// The sizes of a diffusion transformer and how it cuts a latent into tokens.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace wan {

/// Latent grid in patches: frames, rows, columns.
struct PatchGrid {
  int64_t frames = 0, rows = 0, columns = 0;
  int64_t tokens() const { return frames * rows * columns; }
};

/// The latent positions that become one token.
struct Patch {
  int64_t frames = 1, rows = 2, columns = 2;
  int64_t positions() const { return frames * rows * columns; }
  /// Of a latent of this many frames, rows and columns.
  PatchGrid grid(int64_t latent_frames, int64_t latent_rows, int64_t latent_columns) const {
    return {latent_frames / frames, latent_rows / rows, latent_columns / columns};
  }
  bool operator==(const Patch&) const = default;
};

/// Sizes of what a DiT has beside the others where speech drives it.
struct SpeechConfig {
  static constexpr size_t kMostInjected = 64;
  int64_t audio_dim = 0;                             // of the audio encoder's hidden states
  int64_t audio_layers = 0;                          // hidden states
  int64_t audio_tokens = 0;                          // of a latent frame, beside the one that is learnt
  int64_t injected = 0;                              // blocks behind which audio goes in; 0: speech drives it not
  std::array<int32_t, kMostInjected> after_block{};  // their numbers, ascending

  /// A block's place among those; -1 for another.
  int64_t place_of(int64_t block) const {
    const auto end = after_block.begin() + injected;
    const auto found = std::find(after_block.begin(), end, block);
    return found == end ? -1 : found - after_block.begin();
  }
  bool operator==(const SpeechConfig&) const = default;
};

/// Sizes of what a DiT has beside the others where the pose and the face of a driving video move it.
struct AnimateConfig {
  static constexpr size_t kMostLevels = 16;
  static constexpr int64_t kLastSide = 4;
  static constexpr int64_t kImageTokens = 257;          // of the image encoder
  static constexpr int64_t kBlockPeriod = 5;            // the face goes in behind blocks 0, 5, 10, ...
  int64_t image_dim = 0;                                // of the image encoder's tokens
  int64_t motion_dim = 0;                               // of a face's motion
  int64_t motion_codes = 0;                             // numbers that a face is boiled down to before
  int64_t levels = 0;                                   // of the motion encoder, each of half the side
  std::array<int64_t, kMostLevels + 1> level_widths{};  // before the first, and of each
  int64_t face_dim = 0, face_tokens = 0;                // of a latent frame, beside the one that is learnt
  int64_t face_blocks = 0;                              // 0: no driving video moves it

  /// Pixels of a face's side: the last level has kLastSide.
  int64_t face_side() const { return kLastSide << levels; }
  /// A block's place among those behind which the face goes in; -1 for another.
  int64_t place_of(int64_t block) const {
    return face_blocks > 0 && block % kBlockPeriod == 0 ? block / kBlockPeriod : -1;
  }
  bool operator==(const AnimateConfig&) const = default;
};

/// Sizes of a DiT. The published values are in the table of variant.cpp.
struct DitConfig {
  int64_t dim = 0, ffn_dim = 0, in_dim = 0, out_dim = 0, text_dim = 0;
  int64_t num_heads = 0, num_layers = 0;
  int64_t text_len = 512, freq_dim = 256;
  float eps = 1e-6f;
  Patch patch;
  SpeechConfig speech{};
  AnimateConfig animate{};

  int64_t head_dim() const { return dim / num_heads; }
  bool operator==(const DitConfig&) const = default;
};

}  // namespace wan
