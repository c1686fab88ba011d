"""Draws scenes as clips of float RGB frames with torch operations, many at a time, on whatever device is given.

Shapes are signed distances in units of the shape's radius, so that edges are anti-aliased at every size and angle.
"""
import dataclasses
import math
import random

import torch

WIDTH, HEIGHT, FRAMES = 128, 96, 17

COLOUR_RGB = {
    "red": (0.90, 0.12, 0.12),
    "green": (0.10, 0.72, 0.18),
    "blue": (0.12, 0.25, 0.95),
    "yellow": (0.97, 0.90, 0.10),
    "purple": (0.60, 0.15, 0.85),
    "orange": (1.00, 0.52, 0.05),
    "cyan": (0.10, 0.85, 0.90),
    "white": (0.97, 0.97, 0.97),
}
_RADIUS = {"small": (17.5, 18.0), "": (20.5, 21.0), "large": (23.5, 24.5)}
_REACH = 1.25  # no shape has a point farther out, in radii
_GROWTH = (0.75, 1.3)  # radius at the smaller and the larger end
_TURN_DEGREES = (80.0, 110.0)  # below half a symmetry step of any shape a frame, so that the sense can be seen
_PLAIN = {"dark": (0.04, 0.12), "grey": (0.42, 0.52), "light": (0.80, 0.88)}
_PATTERN_LOW, _PATTERN_HIGH = (0.10, 0.18), (0.30, 0.38)
_PATTERN_PERIOD = 32.0
# So small a model, so briefly trained, draws sharper shapes when they start on a grid and travel whole pixels a frame.
_GRID = 8.0
_TRAVEL_X, _TRAVEL_Y = 48.0, 32.0
_PHASES = (0.0, 0.25, 0.5, 0.75)


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Everything the renderer needs of one clip: numbers where a scene has words. Lengths in pixels, angles in radians."""

    shape: str
    rgb: tuple
    start: tuple  # x, y, radius, angle of the first frame
    end: tuple  # and of the last
    ground: tuple  # low and high grey, period, phases x and y, and how much of stripes and of checkers


def _between(rng, limits):
    return rng.uniform(*limits)


def _place(rng, radius, travel_x, travel_y):
    """Centre of the first frame, on the grid, such that the shape stays inside until it has travelled."""
    margin = _REACH * radius
    centre = []
    for size, travel in ((WIDTH, travel_x), (HEIGHT, travel_y)):
        low = math.ceil((margin - min(travel, 0)) / _GRID)
        high = math.floor((size - margin - max(travel, 0)) / _GRID)
        centre.append(_GRID * rng.randint(low, max(low, high)))
    return centre


def _ground(rng, name):
    if name in _PLAIN:
        tone = _between(rng, _PLAIN[name])
        return (tone, tone, 20.0, 0.0, 0.0, 0.0, 0.0)
    phases = (rng.choice(_PHASES), rng.choice(_PHASES))
    stripes = 1.0 if name == "striped" else 0.0
    return (_between(rng, _PATTERN_LOW), _between(rng, _PATTERN_HIGH), _PATTERN_PERIOD, *phases, stripes, 1.0 - stripes)


def drawing_of(scene, rng):
    """One way to draw a grammar.Scene; `rng` is a random.Random."""
    radius = _between(rng, _RADIUS[scene.size])
    angle = math.radians(rng.uniform(-8, 8))
    travel_x = travel_y = 0.0
    first, last, turn = radius, radius, 0.0
    if scene.motion in ("left", "right"):
        travel_x = _TRAVEL_X * (-1 if scene.motion == "left" else 1)
    elif scene.motion in ("up", "down"):
        travel_y = _TRAVEL_Y * (-1 if scene.motion == "up" else 1)
    elif scene.motion in ("grows", "shrinks"):
        first, last = (radius * f for f in (_GROWTH if scene.motion == "grows" else reversed(_GROWTH)))
    else:
        # Rows run downwards, so a growing angle turns clockwise.
        turn = math.radians(_between(rng, _TURN_DEGREES)) * (1 if scene.motion == "clockwise" else -1)
    x, y = _place(rng, max(first, last), travel_x, travel_y)
    rgb = tuple(min(1.0, max(0.0, channel + rng.uniform(-0.03, 0.03))) for channel in COLOUR_RGB[scene.colour])
    return Drawing(
        scene.shape, rgb, (x, y, first, angle), (x + travel_x, y + travel_y, last, angle + turn), _ground(rng, scene.ground)
    )


def _star(x, y):
    """Five points of radius 1.22 with notches of radius 0.52: the edge between a point and a notch, in a folded sector."""
    sector = math.pi / 5
    theta = torch.atan2(x, -y)
    theta = (torch.remainder(theta + sector, 2 * sector) - sector).abs()
    r = torch.hypot(x, y)
    px, py = r * torch.cos(theta), r * torch.sin(theta)
    ax, ay = 1.22, 0.0
    bx, by = 0.52 * math.cos(sector), 0.52 * math.sin(sector)
    length = math.hypot(bx - ax, by - ay)
    nx, ny = (by - ay) / length, (ax - bx) / length
    return (px - ax) * nx + (py - ay) * ny


def _triangle(x, y):
    half = math.sqrt(3) / 2
    return torch.maximum(y, torch.maximum(half * x - 0.5 * y, -half * x - 0.5 * y)) - 0.62


def _cross(x, y):
    ax, ay = x.abs(), y.abs()
    return torch.minimum(torch.maximum(ax - 1.08, ay - 0.36), torch.maximum(ax - 0.36, ay - 1.08))


# Signed distance to the outline in radii, negative inside. y grows downwards.
DISTANCES = {
    "circle": lambda x, y: torch.hypot(x, y) - 1.0,
    "square": lambda x, y: torch.maximum(x.abs(), y.abs()) - 0.86,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": lambda x, y: (torch.hypot(x, y) - 0.78).abs() - 0.27,
}


def _coverage(drawings, device, frames, pixel_x, pixel_y):
    """Share of each pixel the shape covers, [B, F, H, W]."""
    start = torch.tensor([d.start for d in drawings], device=device)
    end = torch.tensor([d.end for d in drawings], device=device)
    time = torch.linspace(0, 1, frames, device=device)[None, :, None]
    x, y, radius, angle = (start[:, None] + (end - start)[:, None] * time).unbind(-1)
    cos, sin = torch.cos(angle)[..., None, None], torch.sin(angle)[..., None, None]
    radius = radius[..., None, None]
    dx, dy = (pixel_x - x[..., None, None]) / radius, (pixel_y - y[..., None, None]) / radius
    local_x, local_y = dx * cos + dy * sin, dy * cos - dx * sin
    out = torch.empty_like(local_x)
    for shape, distance in DISTANCES.items():
        index = [i for i, d in enumerate(drawings) if d.shape == shape]
        if index:
            index = torch.tensor(index, device=device)
            out[index] = (0.5 - distance(local_x[index], local_y[index]) * radius[index]).clamp(0, 1)
    return out


def _grounds(drawings, device, pixel_x, pixel_y):
    """Grey of the ground, [B, 1, H, W]."""
    values = torch.tensor([d.ground for d in drawings], device=device)[..., None, None, None]
    low, high, period, phase_x, phase_y, stripes, checkers = values.unbind(1)

    def wave(position, phase):
        # A square wave in [-1, 1] with edges about two pixels soft.
        return (torch.sin(2 * math.pi * (position / period + phase)) * period / math.pi).clamp(-1, 1)

    along_x = wave(pixel_x, phase_x)
    pattern = stripes * along_x + checkers * along_x * wave(pixel_y, phase_y)
    return low + (high - low) * (0.5 + 0.5 * pattern)


def render(drawings, device="cpu", frames=FRAMES):
    """Clips f32 [B, frames, 3, HEIGHT, WIDTH] in [0, 1], and what the shape covers, [B, frames, 1, HEIGHT, WIDTH]."""
    pixel_x = torch.arange(WIDTH, device=device, dtype=torch.float32)[None, None, None] + 0.5
    pixel_y = torch.arange(HEIGHT, device=device, dtype=torch.float32)[None, None, :, None] + 0.5
    cover = _coverage(drawings, device, frames, pixel_x, pixel_y)[:, :, None]
    ground = _grounds(drawings, device, pixel_x, pixel_y)[:, :, None]
    rgb = torch.tensor([d.rgb for d in drawings], device=device)[:, None, :, None, None]
    return ground + (rgb - ground) * cover, cover
