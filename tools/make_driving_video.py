#!/usr/bin/env python3
"""Writes suites/walker, the driving video of the Animate suite, as the official preprocessing lays it out: src_pose.mp4, the skeleton
of a figure that waves, src_face.mp4, a face that turns and speaks, and src_ref.png, the figure itself. Speed does not depend on what
moves. Usage: tools/make_driving_video.py FOLDER [FRAMES]   (needs ffmpeg; 153 frames are two clips)"""
import math
import pathlib
import subprocess
import sys

WIDTH, HEIGHT, FACE, RATE = 1280, 720, 512, 30
LIMBS = [("neck", "hip"), ("neck", "elbow_l"), ("elbow_l", "hand_l"), ("neck", "elbow_r"), ("elbow_r", "hand_r"), ("hip", "knee_l"),
         ("knee_l", "foot_l"), ("hip", "knee_r"), ("knee_r", "foot_r"), ("neck", "head")]
COLOURS = [(255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 85), (0, 255, 170),
           (0, 170, 255), (85, 0, 255)]


class Picture:
    def __init__(self, width: int, height: int, colour: tuple[int, int, int]) -> None:
        self.width, self.height = width, height
        self.rgb = bytearray(bytes(colour) * (width * height))

    def ellipse(self, x: float, y: float, a: float, b: float, colour: tuple[int, int, int]) -> None:
        for row in range(max(0, int(y - b)), min(self.height, int(y + b) + 1)):
            half = a * math.sqrt(max(0.0, 1 - ((row - y) / b) ** 2))
            left, right = max(0, int(x - half)), min(self.width, int(x + half) + 1)
            if left < right:
                at = 3 * (row * self.width + left)
                self.rgb[at:at + 3 * (right - left)] = bytes(colour) * (right - left)

    def limb(self, p: tuple[float, float], q: tuple[float, float], radius: float, colour: tuple[int, int, int]) -> None:
        stamps = int(math.dist(p, q) / (radius / 2)) + 1
        for i in range(stamps + 1):
            t = i / stamps
            self.ellipse(p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1]), radius, radius, colour)


def joints(t: float) -> dict[str, tuple[float, float]]:
    """Of the figure at second `t`, in pixels."""
    def reach(start: tuple[float, float], angle: float, length: float) -> tuple[float, float]:
        return start[0] + length * math.sin(angle), start[1] + length * math.cos(angle)

    sway = 40 * math.sin(1.1 * t)
    j = {"hip": (640 + sway, 400.0), "neck": (640 + 1.3 * sway, 210.0)}
    j["head"] = reach(j["neck"], math.pi + 0.15 * math.sin(2 * t), 90)
    for side, sign in (("l", -1), ("r", 1)):
        lift = 1.2 + 0.9 * math.sin(2.3 * t + sign)
        j[f"elbow_{side}"] = reach(j["neck"], sign * lift, 110)
        j[f"hand_{side}"] = reach(j[f"elbow_{side}"], sign * (lift + 0.8 + 0.6 * math.sin(3.1 * t)), 100)
        j[f"knee_{side}"] = reach(j["hip"], sign * (0.25 + 0.1 * math.sin(1.7 * t)), 140)
        j[f"foot_{side}"] = reach(j[f"knee_{side}"], sign * 0.1, 130)
    return j


def pose(t: float) -> Picture:
    picture, at = Picture(WIDTH, HEIGHT, (0, 0, 0)), joints(t)
    for (a, b), colour in zip(LIMBS, COLOURS):
        picture.limb(at[a], at[b], 6, colour)
    return picture


def face(t: float) -> Picture:
    picture, turn = Picture(FACE, FACE, (70, 84, 96)), 30 * math.sin(1.3 * t)
    picture.ellipse(256, 256, 165, 215, (214, 164, 136))
    for side in (-1, 1):
        picture.ellipse(256 + turn + 65 * side, 205, 30, 18 if math.sin(4 * t) > -0.95 else 3, (245, 245, 245))
        picture.ellipse(256 + 1.2 * turn + 65 * side, 205, 12, 14 if math.sin(4 * t) > -0.95 else 2, (60, 40, 30))
    picture.ellipse(256 + 1.2 * turn, 265, 16, 34, (196, 140, 114))
    picture.ellipse(256 + turn, 350, 55, 8 + 20 * abs(math.sin(5 * t)), (150, 60, 66))
    return picture


def reference() -> Picture:
    picture, at = Picture(WIDTH, HEIGHT, (120, 150, 170)), joints(0.3)
    picture.ellipse(640, 760, 900, 170, (96, 110, 84))
    for a, b in LIMBS:
        picture.limb(at[a], at[b], 34 if b in ("hip",) else 20, (54, 70, 120) if b[0] in "kf" else (170, 60, 50))
    picture.ellipse(*at["head"], 48, 60, (214, 164, 136))
    return picture


def write(pictures: list[Picture], options: list[str], file: pathlib.Path) -> None:
    size = f"{pictures[0].width}x{pictures[0].height}"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(RATE), "-i", "-",
                    *options, "-fflags", "+bitexact", "-flags:v", "+bitexact", str(file)],
                   input=b"".join(bytes(p.rgb) for p in pictures), check=True)


def main() -> None:
    folder, frames = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 153
    folder.mkdir(parents=True, exist_ok=True)
    h264 = ["-c:v", "libx264", "-preset", "veryslow", "-crf", "28", "-pix_fmt", "yuv420p"]
    times = [i / RATE for i in range(frames)]
    write([pose(t) for t in times], h264, folder / "src_pose.mp4")
    write([face(t) for t in times], h264, folder / "src_face.mp4")
    write([reference()], ["-frames:v", "1"], folder / "src_ref.png")


main()
