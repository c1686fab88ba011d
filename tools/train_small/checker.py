"""Says what a clip shows - colour, shape, motion - from its pixels alone, by image analysis in numpy.

It knows what the scenes of grammar.py look like (one coloured or white shape on a grey ground) and nothing else.
"""
import collections
import colorsys
import dataclasses
import math

import numpy as np

_MIN_CHROMA = 64  # of 255: grounds are grey
_MIN_WHITE = 185  # of 255: grounds a white shape is drawn on stay below 0.52
_MIN_PIXELS = 40  # smaller blobs are no shape
_MIN_SATURATION = 0.28
_HUES = {"red": 0, "orange": 30, "yellow": 57, "green": 128, "cyan": 184, "blue": 231, "purple": 279}  # degrees
_ANGLES = 72
_SYMMETRY = {"triangle": 3, "square": 4, "cross": 4, "star": 5}
# What counts as motion over a clip; below all three the shape stays.
_TRAVEL_PX, _GROWTH_LOG, _TURN_RAD = 12.0, 0.25, math.radians(35)
_ENDS = 2  # frames averaged at either end


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a clip shows; "none" where nothing can be told."""

    colour: str
    shape: str
    motion: str


def _largest_blob(mask):
    """The connected part of `mask` around its densest place."""
    density = mask.astype(np.float32)
    for axis in (0, 1):
        density = sum(np.roll(density, k, axis) for k in range(-3, 4))
    density[~mask] = 0
    blob = np.zeros_like(mask)
    blob[np.unravel_index(density.argmax(), mask.shape)] = True
    count = 0
    while blob.sum() != count:
        count = blob.sum()
        for _ in range(4):
            grown = blob.copy()
            grown[1:] |= blob[:-1]
            grown[:-1] |= blob[1:]
            grown[:, 1:] |= blob[:, :-1]
            grown[:, :-1] |= blob[:, 1:]
            blob = grown & mask
    return blob


def _find_shape(frame):
    """Mask of the shape in a uint8 [H, W, 3] frame, or None."""
    values = frame.astype(np.int32)
    coloured = values.max(-1) - values.min(-1) > _MIN_CHROMA
    mask = coloured if coloured.sum() >= _MIN_PIXELS else values.min(-1) > _MIN_WHITE
    if mask.sum() < _MIN_PIXELS:
        return None
    blob = _largest_blob(mask)
    return blob if blob.sum() >= _MIN_PIXELS else None


def _inner(mask):
    """The mask without its outermost pixels, where ground mixes in."""
    inner = mask.copy()
    inner[1:] &= mask[:-1]
    inner[:-1] &= mask[1:]
    inner[:, 1:] &= mask[:, :-1]
    inner[:, :-1] &= mask[:, 1:]
    return inner if inner.any() else mask


def colour_name(rgb):
    """Nearest colour word of an RGB triple in 0..255."""
    hue, saturation, _ = colorsys.rgb_to_hsv(*(float(c) / 255 for c in rgb))
    if saturation < _MIN_SATURATION:
        return "white"
    degrees = hue * 360
    return min(_HUES, key=lambda name: abs((degrees - _HUES[name] + 180) % 360 - 180))


def _radial_profile(inside, x, y, reach):
    """Distance of the outermost point inside along each of _ANGLES rays from (x, y), clockwise from the right."""
    angles = np.arange(_ANGLES) * (2 * math.pi / _ANGLES)
    steps = np.arange(0, reach, 0.25)
    hit = inside(x + np.cos(angles)[:, None] * steps, y + np.sin(angles)[:, None] * steps)
    return np.where(hit, steps, 0).max(1)


def _of_unit_size(profile):
    """A profile scaled so that its outline holds as much as that of a circle of radius 1."""
    return profile / max(math.sqrt(np.mean(profile**2)), 1e-6)


def _harmonics(profile):
    """Spectrum of a radial profile relative to its mean; a turn changes the phases and not the sizes."""
    return np.fft.rfft(profile / max(profile.mean(), 1e-6)) / _ANGLES


def _ideal_profiles():
    angles = np.arange(_ANGLES) * (2 * math.pi / _ANGLES)
    sector = math.pi / 5
    folded = np.abs((angles + sector) % (2 * sector) - sector)
    point, notch = np.array([1.22, 0.0]), 0.52 * np.array([math.cos(sector), math.sin(sector)])
    edge = notch - point
    star = (edge[0] * point[1] - edge[1] * point[0]) / (edge[0] * np.sin(folded) - edge[1] * np.cos(folded))
    third = np.abs((angles + math.pi / 3) % (2 * math.pi / 3) - math.pi / 3)
    longer = np.maximum(np.abs(np.cos(angles)), np.abs(np.sin(angles)))
    shorter = np.minimum(np.abs(np.cos(angles)), np.abs(np.sin(angles)))
    arm = np.minimum(1.08 / longer, 0.36 / np.maximum(shorter, 1e-6))
    return {
        "circle": np.ones(_ANGLES),
        "square": 0.86 / longer,
        "triangle": 0.62 / np.cos(third),
        "star": np.abs(star),
        "cross": arm,
    }


# Every shape at every turn, [_ANGLES, _ANGLES].
_TEMPLATES = {
    name: np.stack([np.roll(_of_unit_size(profile), turn) for turn in range(_ANGLES)])
    for name, profile in _ideal_profiles().items()
}


def _nearest_shape(profile):
    """The shape whose outline, at the same size and its best turn, shares most of the area that either covers.

    Area bears outlines that are soft, wobbly or dented better than corners or harmonics do: a pixel off costs a pixel.
    """
    seen = _of_unit_size(profile)

    def shared(name):
        # Between two rays an outline holds the square of its distance.
        turns = _TEMPLATES[name]
        return ((np.minimum(turns, seen) ** 2).sum(1) / (np.maximum(turns, seen) ** 2).sum(1)).max()

    return max(_TEMPLATES, key=shared)


@dataclasses.dataclass
class _Look:
    """One frame's shape: centre and area in pixels, name, and the harmonics of its outline."""

    x: float
    y: float
    area: float
    shape: str
    harmonics: np.ndarray
    rgb: np.ndarray


def _look(frame):
    mask = _find_shape(frame)
    if mask is None:
        return None
    rows, columns = np.nonzero(mask)
    x, y, area = columns.mean(), rows.mean(), float(mask.sum())
    height, width = mask.shape

    def inside(px, py):
        column, row = np.rint(px).astype(int), np.rint(py).astype(int)
        within = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        return within & mask[row.clip(0, height - 1), column.clip(0, width - 1)]

    profile = _radial_profile(inside, x, y, math.hypot(height, width))
    distance = np.hypot(columns - x, rows - y)
    core = 0.25 * distance.max()
    if (distance < core).sum() < 0.4 * math.pi * core * core:
        shape = "ring"
    else:
        shape = _nearest_shape(profile)
    return _Look(x, y, area, shape, _harmonics(profile), np.median(frame[_inner(mask)], axis=0))


def _turned(looks, shape):
    """Angle the outline turned over the clip, clockwise positive; 0 for round shapes."""
    if shape not in _SYMMETRY:
        return 0.0
    fold = _SYMMETRY[shape]
    values = [look.harmonics[fold] for look in looks if look.shape == shape]
    steps = [np.angle(b / a) for a, b in zip(values, values[1:]) if abs(a) > 0.03 and abs(b) > 0.03]
    return -sum(steps) / fold


def _motion(looks, shape):
    first, last = looks[:_ENDS], looks[-_ENDS:]

    def change(of):
        return sum(map(of, last)) / len(last) - sum(map(of, first)) / len(first)

    dx, dy = change(lambda look: look.x), change(lambda look: look.y)
    growth = change(lambda look: 0.5 * math.log(look.area))
    turn = _turned(looks, shape)
    sideways = abs(dx) > abs(dy)
    found = {
        ("right" if dx > 0 else "left") if sideways else ("down" if dy > 0 else "up"): math.hypot(dx, dy) / _TRAVEL_PX,
        "grows" if growth > 0 else "shrinks": abs(growth) / _GROWTH_LOG,
        "clockwise" if turn > 0 else "counterclockwise": abs(turn) / _TURN_RAD,
    }
    motion = max(found, key=found.get)
    return motion if found[motion] >= 1 else "still"


def check(clip):
    """What the uint8 clip [F, H, W, 3] shows. A shape must be seen in at least half of the frames."""
    looks = [look for look in map(_look, clip) if look is not None]
    if 2 * len(looks) < len(clip) or len(looks) < 2 * _ENDS:
        return Seen("none", "none", "none")
    shape = collections.Counter(look.shape for look in looks).most_common(1)[0][0]
    colour = colour_name(np.median([look.rgb for look in looks], axis=0))
    return Seen(colour, shape, _motion(looks, shape))


def rates(pairs):
    """Shares of (scene, seen) pairs that agree in colour, shape, motion, and in all three."""
    fields = ("colour", "shape", "motion")
    agree = {f: [getattr(scene, f) == getattr(seen, f) for scene, seen in pairs] for f in fields}
    agree["all"] = [all(row) for row in zip(*(agree[f] for f in fields))]
    return {name: sum(values) / len(values) for name, values in agree.items()}
