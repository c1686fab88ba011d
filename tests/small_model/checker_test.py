"""The small model's checker on clips drawn here, by other means than the training's renderer, and on wrong ones."""
import math
import pathlib
import sys
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "train_small"))
import checker
import grammar

WIDTH, HEIGHT, FRAMES = 128, 96, 17
RGB = {
    "red": (220, 30, 40), "green": (30, 180, 40), "blue": (30, 60, 235), "yellow": (240, 225, 30), "purple": (150, 40, 210),
    "orange": (250, 130, 20), "cyan": (30, 215, 225), "white": (245, 245, 245),
}  # fmt: skip


def corners(shape):
    """Corner angles and radii of the polygons, first one to the right."""
    if shape == "square":
        return [(k * math.pi / 2 + math.pi / 4, 1.2) for k in range(4)]
    if shape == "triangle":
        return [(k * 2 * math.pi / 3, 1.25) for k in range(3)]
    if shape == "star":
        return [(k * math.pi / 5, 1.2 if k % 2 == 0 else 0.5) for k in range(10)]
    tip, notch = math.hypot(1.1, 0.35), math.hypot(0.35, 0.35)
    half = math.atan2(0.35, 1.1)
    return [
        (k * math.pi / 2 + angle, radius) for k in range(4) for angle, radius in ((-half, tip), (half, tip), (math.pi / 4, notch))
    ]


def inside(shape, x, y, radius, angle):
    """Mask of the pixels whose centres lie in the shape."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    if shape in ("circle", "ring"):
        distance = np.hypot(columns - x, rows - y) / radius
        return (distance < 1) & (distance > (0.5 if shape == "ring" else -1))
    points = [(x + radius * r * math.cos(a + angle), y + radius * r * math.sin(a + angle)) for a, r in corners(shape)]
    mask = np.zeros((HEIGHT, WIDTH), bool)
    for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1]):
        crosses = (ay > rows) != (by > rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            mask ^= crosses & (columns < (bx - ax) * (rows - ay) / (by - ay) + ax)
    return mask


def clip(colour, shape, motion, ground=30, radius=18):
    """uint8 [F, H, W, 3] of the shape doing `motion` from the middle."""
    frames = []
    for t in np.linspace(0, 1, FRAMES):
        x, y, r, angle = WIDTH / 2, HEIGHT / 2, radius, 0.2
        x += {"left": -40, "right": 40}.get(motion, 0) * (t - 0.5)
        y += {"up": -30, "down": 30}.get(motion, 0) * (t - 0.5)
        r *= {"grows": 0.7 + 0.7 * t, "shrinks": 1.4 - 0.7 * t}.get(motion, 1)
        angle += {"clockwise": 2, "counterclockwise": -2}.get(motion, 0) * t
        frame = np.full((HEIGHT, WIDTH, 3), ground, np.uint8)
        frame[inside(shape, x, y, r, angle)] = RGB[colour]
        frames.append(frame)
    return np.stack(frames)


def deformed(shown, rng, pixels=3.0):
    """The clip seen through uneven glass: every pixel comes from about `pixels` away, neighbours from nearly the same
    direction; half of it stays from frame to frame, half flows, and the first frames have it up to three times as strong."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    waves = 6

    def away():
        directions, phases = rng.uniform(0, 2 * math.pi, (2, waves))
        lengths, flow = rng.uniform(20, 45, waves), rng.choice((0.0, 0.6), waves)
        return [
            sum(
                np.sin(2 * math.pi * (columns * math.cos(d) + rows * math.sin(d)) / length + phase + f * t)
                for d, length, phase, f in zip(directions, lengths, phases, flow)
            )
            * (pixels * (1 + 2 * math.exp(-t)) / math.sqrt(waves))
            for t in range(FRAMES)
        ]

    def moved(frame, dx, dy):
        return frame[np.rint(rows + dy).astype(int).clip(0, HEIGHT - 1), np.rint(columns + dx).astype(int).clip(0, WIDTH - 1)]

    return np.stack([moved(*each) for each in zip(shown, away(), away())])


class Checker(unittest.TestCase):
    def test_sees_every_possible_combination(self):
        triples = grammar.triples()
        for i, (colour, shape, motion) in enumerate(triples[::3]):
            radius = (14, 18, 23)[i % 3]
            with self.subTest(colour=colour, shape=shape, motion=motion, radius=radius):
                self.assertEqual(checker.check(clip(colour, shape, motion, radius=radius)), checker.Seen(colour, shape, motion))

    def test_sees_the_shape_through_a_wobbly_outline(self):
        rng = np.random.default_rng(11)
        for shape in grammar.SHAPES:
            with self.subTest(shape=shape):
                clips = [clip("green", shape, grammar.MOTIONS[i % 6], radius=(16, 19, 22)[i % 3]) for i in range(10)]
                seen = [checker.check(deformed(shown, rng)) for shown in clips]
                self.assertGreaterEqual(sum(each.shape == shape for each in seen), 9, seen)

    def test_tells_coloured_shapes_from_a_light_and_a_patterned_ground(self):
        self.assertEqual(checker.check(clip("yellow", "star", "left", ground=215)), checker.Seen("yellow", "star", "left"))
        columns = np.where(np.arange(WIDTH) // 14 % 2 == 0, 40, 90).astype(np.uint8)
        shown = clip("blue", "cross", "down", ground=0)
        ground = np.broadcast_to(columns[None, None, :, None], shown.shape)
        self.assertEqual(checker.check(np.where(shown.any(-1, keepdims=True), shown, ground)), checker.Seen("blue", "cross", "down"))

    def test_a_shape_that_does_nothing_is_still(self):
        self.assertEqual(checker.check(clip("red", "square", "none")).motion, "still")

    def test_an_empty_clip_shows_nothing(self):
        self.assertEqual(checker.check(np.full((FRAMES, HEIGHT, WIDTH, 3), 100, np.uint8)), checker.Seen("none", "none", "none"))

    def test_a_shape_in_fewer_than_half_of_the_frames_is_none(self):
        shown = clip("red", "square", "right")
        shown[FRAMES // 2 :] = 30
        self.assertEqual(checker.check(shown), checker.Seen("none", "none", "none"))

    def test_blots_that_appear_elsewhere_do_not_move_the_shape(self):
        shown = clip("red", "square", "none")
        for row in range(2, HEIGHT - 6, 12):
            shown[FRAMES // 2 :, row : row + 6, 2:8] = RGB["red"]
        self.assertEqual(checker.check(shown), checker.Seen("red", "square", "still"))

    def test_noise_is_not_taken_for_the_scene(self):
        noise = np.random.default_rng(5).integers(0, 256, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
        self.assertNotIn(checker.check(noise).motion, ("left", "right", "up", "down"))

    def test_a_reversed_clip_shows_the_opposite_motion(self):
        for motion, opposite in (("left", "right"), ("up", "down"), ("grows", "shrinks"), ("clockwise", "counterclockwise")):
            self.assertEqual(checker.check(clip("green", "triangle", motion)[::-1]).motion, opposite)

    def test_rates_count_agreement(self):
        scene = grammar.Scene("red", "circle", "left", "dark")
        pairs = [(scene, checker.Seen("red", "circle", "left")), (scene, checker.Seen("red", "square", "left"))]
        self.assertEqual(checker.rates(pairs), {"colour": 1.0, "shape": 0.5, "motion": 1.0, "all": 0.5})


class Grammar(unittest.TestCase):
    def test_training_never_shows_a_held_out_combination(self):
        trained = {(s.colour, s.shape, s.motion) for s in grammar.all_scenes(held_out=False)}
        tested = [scene for scene, _ in grammar.held_out_prompts(120)]
        self.assertFalse(trained & {(s.colour, s.shape, s.motion) for s in tested})
        self.assertEqual(len(tested), 120)

    def test_every_word_is_trained_in_other_combinations(self):
        for field in ("colour", "shape", "motion"):
            trained = {getattr(s, field) for s in grammar.all_scenes(held_out=False)}
            self.assertLessEqual({getattr(s, field) for s in grammar.all_scenes(held_out=True)}, trained)

    def test_a_caption_names_what_the_scene_shows(self):
        scene = grammar.Scene("orange", "star", "up", "light", "small")
        self.assertIn("a small orange star rises on a bright background", grammar.captions(scene))
        self.assertFalse([c for c in grammar.captions(grammar.Scene("red", "star", "grows", "dark")) if "across" in c])


if __name__ == "__main__":
    unittest.main()
