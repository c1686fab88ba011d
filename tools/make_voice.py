#!/usr/bin/env python3
"""Writes suites/voice.flac, the sound of the speech-to-video suite: eight seconds of a synthetic voice, vowels over a gliding pitch with
pauses, at 16 kHz in mono. Speed does not depend on what is said. Usage: tools/make_voice.py OUT.flac   (needs ffmpeg)"""
import array
import math
import random
import subprocess
import sys

RATE, SECONDS = 16_000, 8
# First and second formants in Hz of five vowels.
VOWELS = [(730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840)]
SYLLABLE, PAUSE = int(0.32 * RATE), int(0.08 * RATE)


def resonate(x: list[float], frequency: float, width: float) -> list[float]:
    """A resonator of two poles."""
    r = math.exp(-math.pi * width / RATE)
    a1, a2 = 2 * r * math.cos(2 * math.pi * frequency / RATE), -r * r
    y = [0.0, 0.0]
    for value in x:
        y.append(value * (1 - r) + a1 * y[-1] + a2 * y[-2])
    return y[2:]


def syllable(count: int, noise: random.Random) -> list[float]:
    source, phase = [], 0.0
    for i in range(SYLLABLE):
        phase += (120 + 25 * math.sin(0.9 * count) + 8 - 16 * i / SYLLABLE) / RATE
        source.append(2 * (phase % 1) - 1 + 0.02 * noise.gauss(0, 1))
    first, second = VOWELS[count % len(VOWELS)]
    voice = zip(resonate(source, first, 80), resonate(source, second, 120))
    return [(a + 0.6 * b) * math.sin(math.pi * i / SYLLABLE) for i, (a, b) in enumerate(voice)]


def main() -> None:
    noise, sound = random.Random(7), []
    while len(sound) < RATE * SECONDS:
        sound += syllable(len(sound) // (SYLLABLE + PAUSE), noise) + [0.0] * PAUSE
    sound = sound[: RATE * SECONDS]
    largest = max(map(abs, sound))
    samples = array.array("h", (round(16_000 * value / largest) for value in sound)).tobytes()
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "-", "-c:a", "flac",
                    "-compression_level", "12", "-fflags", "+bitexact", sys.argv[1]], input=samples, check=True)


main()
