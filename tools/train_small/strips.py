"""Makes docs/images/demo.png: the demo's videos as strips of seven frames, one case of suites/quick.json a row.

    python3 tools/train_small/strips.py --wanbench build/wanbench [--checkpoint models/shapes-ti2v] [--output docs/images/demo.png]

Needs numpy.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile

import numpy as np

import measure

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN, GAP = 7, 4  # frames of a row; white pixels between two
# Fields of a case that the video's content depends on, as `generate` calls them.
_OPTIONS = {
    "num_frames": "--num-frames", "steps": "--steps", "shift": "--shift", "guidance_scale": "--guidance-scale", "solver": "--solver",
    "seed": "--seed", "prompt": "--prompt",
}  # fmt: skip


def video(args, case, suite_folder, work):
    """uint8 [F, H, W, 3] of a case with the suite's defaults."""
    dump = work / "video.safetensors"
    command = [args.wanbench, "generate", "--device", "cpu", "--checkpoint", args.checkpoint, "--discard", "--quiet", "--force", "--dump", dump]
    command += ["--size", f"{case['width']}x{case['height']}"]
    command += [word for field, option in _OPTIONS.items() for word in (option, case[field])]
    if "image" in case:
        command += ["--image", suite_folder / case["image"]]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    return measure.to_bytes(measure.read_tensor(dump, "vae.decode.video"))


def strip(clip):
    """SHOWN frames of the clip, evenly from the first to the last, beside each other."""
    frames = [clip[round(i * (len(clip) - 1) / (SHOWN - 1))] for i in range(SHOWN)]
    gap = np.full((clip.shape[1], GAP, 3), 255, np.uint8)
    return np.concatenate([part for frame in frames for part in (gap, frame)][1:], axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wanbench", type=pathlib.Path, required=True)
    parser.add_argument("--checkpoint", type=pathlib.Path, default=ROOT / "models" / "shapes-ti2v")
    parser.add_argument("--suite", type=pathlib.Path, default=ROOT / "suites" / "quick.json")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "docs" / "images" / "demo.png")
    args = parser.parse_args()
    suite = json.loads(args.suite.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as work:
        cases = [{**suite["defaults"], **case} for case in suite["cases"]]
        strips = [strip(video(args, case, args.suite.parent, pathlib.Path(work))) for case in cases]
    gap = np.full((GAP, strips[0].shape[1], 3), 255, np.uint8)
    measure.write_png(args.output, np.concatenate([part for row in strips for part in (gap, row)][1:]))


if __name__ == "__main__":
    main()
