#!/usr/bin/env python3
"""Makes tests/golden/units/fidelity: pairs of small pictures, and what implementations that are not ours say of them.

    python3 -m venv VENV && VENV/bin/pip install scikit-image==0.26.0 flip-evaluator==1.7
    VENV/bin/python tools/make_fidelity_fixtures.py tests/golden/units/fidelity

PSNR and SSIM are scikit-image's, FLIP is NVIDIA's flip-evaluator. MS-SSIM is of a few lines here that follow Wang, Simoncelli and Bovik 2003 with
whole convolutions of SciPy, which the C++ has not seen."""
import json
import pathlib
import sys

import flip_evaluator
import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

SCALE_WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]


def luma(picture):
    return picture.astype(np.float64) @ np.array([0.299, 0.587, 0.114])


def contrast_and_whole(a, b):
    """Means of the contrast-structure term and of SSIM over the windows that lie inside."""
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    mean = lambda x: convolve2d(x, window, mode="valid")
    mean_a, mean_b = mean(a), mean(b)
    variance_a = mean(a * a) - mean_a**2
    variance_b = mean(b * b) - mean_b**2
    covariance = mean(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    contrast = (2 * covariance + c2) / (variance_a + variance_b + c2)
    return contrast.mean(), (contrast * (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)).mean()


def ms_ssim(a, b):
    if min(a.shape) < 176:
        return None
    result = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        contrast, whole = contrast_and_whole(a, b)
        result *= max(whole if scale == 4 else contrast, 0) ** weight
        pad = lambda x: np.pad(x, [(0, x.shape[0] % 2), (0, x.shape[1] % 2)], mode="edge")
        half = lambda x: pad(x).reshape(-(-x.shape[0] // 2), 2, -(-x.shape[1] // 2), 2).mean(axis=(1, 3))
        a, b = half(a), half(b)
    return result


def picture(rng, height, width):
    """Smooth colours, sharp edges, thin lines and the least of noise."""
    base = np.stack([gaussian_filter(rng.standard_normal((height, width)), 9) for _ in range(3)], axis=-1)
    base = 128 + 90 * base / np.abs(base).max()
    y, x = np.mgrid[:height, :width]
    base[(x // 17 + y // 23) % 4 == 0] += np.array([60, -20, 10])
    base[(x + 2 * y) % 41 == 0] = 235
    return np.clip(np.rint(base + rng.normal(0, 0.5, base.shape)), 0, 255).astype(np.uint8)


def changed(rng, kind, a):
    values = a.astype(np.float64)
    if kind == "noise":
        values += rng.normal(0, 9, a.shape)
    elif kind == "blur":
        values = gaussian_filter(values, (1.4, 1.4, 0))
    elif kind == "colour":
        values = values * np.array([1.15, 0.9, 1.0]) + np.array([-12, 6, 25])
    elif kind == "moved":
        values = np.roll(values, (2, 3), axis=(0, 1))
    elif kind == "inverted":
        values = 255 - values
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20260726)
    sizes = {"small": (41, 67), "odd": (181, 195)}
    cases = [("small", "noise"), ("small", "inverted"), ("odd", "noise"), ("odd", "blur"), ("odd", "colour"), ("odd", "moved")]
    references = {name: picture(rng, *size) for name, size in sizes.items()}
    for name, reference in references.items():
        Image.fromarray(reference).save(folder / f"{name}.png", optimize=True)
    expected = []
    for size, kind in cases:
        a, b = references[size], changed(rng, kind, references[size])
        Image.fromarray(b).save(folder / f"{size}_{kind}.png", optimize=True)
        unit = lambda x: x.astype(np.float32) / np.float32(255)
        expected.append({
            "a": f"{size}.png",
            "b": f"{size}_{kind}.png",
            "psnr": peak_signal_noise_ratio(a, b, data_range=255),
            "ssim": structural_similarity(luma(a), luma(b), gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255),
            "ms_ssim": ms_ssim(luma(a), luma(b)),
            "flip": float(flip_evaluator.evaluate(unit(a), unit(b), "LDR", applyMagma=False)[1]),
        })
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
