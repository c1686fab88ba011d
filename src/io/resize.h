// How the official pipelines fit an image to a video's size: Pillow's Lanczos and a centre crop, or torch's bicubic.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "io/image.h"

namespace wan {

struct Size {
  int width = 0;
  int height = 0;
  bool operator==(const Size&) const = default;
};

/// Pillow's Image.resize(size, LANCZOS) on 8-bit RGB, bit for bit: a horizontal, then a vertical pass, each rounded to
/// bytes. Throws Error(kInput) when a side is not in 1 .. kMaxImageSide.
Image resize_lanczos(const Image& image, Size size);

/// The largest size whose sides are multiples of `step`, whose area is at most `area` and whose ratio comes nearest to
/// width / height. Throws Error(kInput) when a side would be 0. Source: Wan2.2 wan/utils/utils.py, best_output_size.
Size best_output_size(Size image, int step, int64_t area);

/// Scaled (Lanczos) to cover `size`, then cropped about its centre. Source: Wan2.2 wan/textimage2video.py, i2v.
Image fit_covering(const Image& image, Size size);

/// The largest part of `image` about its centre with the proportions of `like`, to whole pixels: all of it where it has
/// them already.
Image crop_to_proportions(const Image& image, Size like);

/// The size whose sides are the multiples of `step` next below those of the image's ratio and of `area`. Throws
/// Error(kInput) when a side would be 0. Source: Wan2.2 wan/image2video.py, generate.
Size near_output_size(Size image, int step, int64_t area);

/// The first of a hundred sizes of the image's proportions, from the largest within `area` (the image's own where that
/// is within) down, whose sides are within `area` once they are rounded up to multiples of `step`. Throws Error(kInput)
/// when a side would be 0. Source: Wan2.2 wan/speech2video.py, get_size_less_than_area.
Size shrunk_output_size(Size image, int step, int64_t area);

/// Scaled by Pillow's bilinear filter until the shorter side is the shorter one of `size`, then cut about its centre;
/// a side that is too short is filled with black. Source: torchvision Resize and CenterCrop.
Image fit_padded(const Image& image, Size size);
/// The same of float planes [3, height, width], by torch's antialiased bilinear filter and filled with 0.
std::vector<float> fit_padded(std::span<const float> planes, Size from, Size size);

/// Scaled by OpenCV's bilinear filter for bytes (cv2.INTER_LINEAR: four neighbours in fixed point of 11 bits, bit for
/// bit) to the largest size of its proportions within `size`, in the middle of black. Throws Error(kInput) for sides
/// that are too unequal. Source: Wan2.2 wan/animate.py, padding_resize.
Image fit_inside(const Image& image, Size size);

/// Bytes to [-1, 1]: (p / 255 - 0.5) / 0.5 in float32. [height, width, 3] becomes [3, height, width].
std::vector<float> to_planes(const Image& image);

/// torch.nn.functional.interpolate(mode="bicubic", align_corners=False) on float32 planes: cubic convolution with a =
/// -0.75, taps clamped to the edge, no antialiasing, no clamping of results. [count, from.height, from.width] becomes
/// [count, to.height, to.width].
std::vector<float> resize_bicubic(std::span<const float> planes, int count, Size from, Size to);

}  // namespace wan
