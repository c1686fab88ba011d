// Rearrangements between pictures and rows: DiT patches, and the pixel blocks at the VAE's ends.
#include <algorithm>
#include <cmath>

#include "backend/cpu/checks.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/values.h"
#include "backend/patch.h"
#include "base/error.h"

namespace wan::cpu {
namespace {

constexpr int64_t kColors = 3;

/// Calls visit(row, column, c, t, y, x) for every element of a latent [C, T, H, W] and its place among the patch rows;
/// `order` gives the column from (c, p, q).
template <typename Order, typename Visit>
void visit_patches(int threads, const Shape& latent, Order order, Visit visit) {
  const int64_t rows_down = latent[2] / kPatchSide, rows_across = latent[3] / kPatchSide;
  parallel_for(
      threads, latent[1] * rows_down * rows_across, latent[0] * kPatchSide * kPatchSide, [&](int64_t row, int) {
        const int64_t t = row / (rows_down * rows_across), h = row / rows_across % rows_down, w = row % rows_across;
        for (int64_t c = 0; c < latent[0]; ++c)
          for (int64_t p = 0; p < kPatchSide; ++p)
            for (int64_t q = 0; q < kPatchSide; ++q)
              visit(row, order(c, p, q),
                    ((c * latent[1] + t) * latent[2] + kPatchSide * h + p) * latent[3] + kPatchSide * w + q);
      });
}

void require_patches(const TensorView& latent, const TensorView& rows) {
  require_packed(latent, "latent");
  require_rows(rows, "rows");
  require_op(latent.rank() == 4 && latent.shape[2] % kPatchSide == 0 && latent.shape[3] % kPatchSide == 0,
             "latent must be [C, T, H, W] with even H and W, found " + latent.shape.text());
  const Shape& s = latent.shape;
  require_shape(rows, {s[1] * (s[2] / kPatchSide) * (s[3] / kPatchSide), s[0] * kPatchSide * kPatchSide}, "rows");
}

/// Channels-last x [T, H / p, W / p, 3 p p] against a picture of `frames` frames of height x width.
void require_pixel_blocks(const TensorView& x, int64_t patch, int64_t frames, int64_t height, int64_t width) {
  require_packed(x, "x");
  require_op((patch == 1 || patch == 2) && height % patch == 0 && width % patch == 0,
             "the patch must be 1 or 2 and divide the picture, found " + std::to_string(patch) + " for " +
                 std::to_string(height) + " x " + std::to_string(width));
  require_shape(x, {frames, height / patch, width / patch, kColors * patch * patch}, "x");
}

/// Calls visit(offset in x, c, t, y, x) for every pixel of the picture x stands for.
template <typename Visit>
void visit_pixels(int threads, const Shape& blocks, int64_t patch, Visit visit) {
  parallel_for(threads, blocks[0] * blocks[1], blocks[2] * blocks[3], [&](int64_t line, int) {
    const int64_t t = line / blocks[1], y = line % blocks[1];
    for (int64_t x = 0; x < blocks[2]; ++x)
      for (int64_t channel = 0; channel < blocks[3]; ++channel) {
        const int64_t c = channel / (patch * patch), r = channel / patch % patch, s = channel % patch;
        visit((line * blocks[2] + x) * blocks[3] + channel, c, t, patch * y + s, patch * x + r);
      }
  });
}

/// Keeps NaN, so that a broken decode stays visible.
float clamp_unit(float value) { return std::min(std::max(value, -1.0f), 1.0f); }

}  // namespace

void CpuBackend::patchify(TensorView x, TensorView y) {
  require_patches(x, y);
  const auto order = [](int64_t c, int64_t p, int64_t q) { return (c * kPatchSide + p) * kPatchSide + q; };
  visit_patches(threads_, x.shape, order, [&](int64_t row, int64_t column, int64_t at) {
    store_one(load_one(x, at), y, row * y.stride(0) + column);
  });
}

void CpuBackend::unpatchify(TensorView o, TensorView y) {
  require_patches(y, o);
  const int64_t channels = y.shape[0];
  const auto order = [channels](int64_t c, int64_t p, int64_t q) { return (p * kPatchSide + q) * channels + c; };
  visit_patches(threads_, y.shape, order, [&](int64_t row, int64_t column, int64_t at) {
    store_one(load_one(o, row * o.stride(0) + column), y, at);
  });
}

void CpuBackend::pixels_to_channels(TensorView pixels, int64_t patch, TensorView x) {
  require_float(pixels, "pixels");
  require_op(pixels.rank() == 4 && pixels.shape[0] == kColors,
             "pixels must be [3, T, H, W], found " + pixels.shape.text());
  require_pixel_blocks(x, patch, pixels.shape[1], pixels.shape[2], pixels.shape[3]);
  visit_pixels(threads_, x.shape, patch, [&](int64_t at, int64_t c, int64_t t, int64_t row, int64_t column) {
    const int64_t from =
        c * pixels.stride(0) + t * pixels.stride(1) + row * pixels.stride(2) + column * pixels.stride(3);
    store_one(load_one(pixels, from), x, at);
  });
}

void CpuBackend::channels_to_pixels(TensorView x, int64_t patch, TensorView pixels) {
  require_float(pixels, "pixels");
  require_op(pixels.rank() == 4 && pixels.shape[0] == kColors,
             "pixels must be [3, T, H, W], found " + pixels.shape.text());
  require_pixel_blocks(x, patch, pixels.shape[1], pixels.shape[2], pixels.shape[3]);
  visit_pixels(threads_, x.shape, patch, [&](int64_t at, int64_t c, int64_t t, int64_t row, int64_t column) {
    const int64_t to = c * pixels.stride(0) + t * pixels.stride(1) + row * pixels.stride(2) + column * pixels.stride(3);
    store_one(clamp_unit(load_one(x, at)), pixels, to);
  });
}

void CpuBackend::channels_to_rgb8(TensorView x, int64_t patch, TensorView frames) {
  require_op(frames.dtype == DType::kU8 && frames.is_contiguous() && frames.rank() == 4 && frames.shape[3] == kColors,
             "frames must be contiguous U8 [T, H, W, 3], found " + std::string(name_of(frames.dtype)) + " " +
                 frames.shape.text());
  require_pixel_blocks(x, patch, frames.shape[0], frames.shape[1], frames.shape[2]);
  uint8_t* bytes = frames.as<uint8_t>();
  visit_pixels(threads_, x.shape, patch, [&](int64_t at, int64_t c, int64_t t, int64_t row, int64_t column) {
    const float value = (clamp_unit(load_one(x, at)) + 1.0f) / 2.0f * 255.0f;
    const int64_t pixel = (t * frames.shape[1] + row) * frames.shape[2] + column;
    bytes[pixel * kColors + c] = std::isnan(value) ? uint8_t{0} : static_cast<uint8_t>(value);
  });
}

}  // namespace wan::cpu
