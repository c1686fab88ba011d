// Structural similarity of two pictures, at one scale and at five.
#pragma once

#include "fidelity/score.h"
#include "io/image.h"

namespace wan {

inline constexpr int kSsimWindow = 11;       // pixels of the Gaussian window's side
inline constexpr int kMsSsimSmallest = 176;  // pixels of the smaller side that five scales need: 11 * 2^4

struct Similarity {
  Score ssim;     // 1: the same
  Score ms_ssim;  // likewise; only of a smaller side of at least kMsSsimSmallest
};

/// Of luma 0.299 R + 0.587 G + 0.114 B (BT.601 on the bytes, in double), with a Gaussian window of 11 x 11, sigma 1.5,
/// K1 = 0.01, K2 = 0.03, range 255, variances as means (not of a sample). Means are over the pixels whose whole window
/// lies inside, so that nothing is invented beyond the border; scikit-image crops to the same. Both of one size.
///
/// MS-SSIM: between scales 2 x 2 pixels are averaged, an odd last row or column with itself; the contrast terms of
/// scales 1 to 4 and the whole of scale 5, each no less than 0, to the powers 0.0448, 0.2856, 0.3001, 0.2363, 0.1333.
///
/// Source: Wang, Bovik, Sheikh, Simoncelli 2004, equations 13 to 17; Wang, Simoncelli, Bovik 2003, equation 7.
Similarity similarity(const Image& a, const Image& b);

}  // namespace wan
