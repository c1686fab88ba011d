"""Has the engine make videos of prompts and says how many show what was asked for: colour, shape, motion.

    python3 tools/train_small/measure.py --wanbench build/wanbench --checkpoint models/shapes-ti2v [--prompts 120] [--json FILE]

Text prompts are of combinations that training never showed. With --images N, as many videos begin with the first frame of a
drawn scene (needs PyTorch). With --list FILE, the prompts of that file (JSON: {"prompt", "image"?, "colour", "shape",
"motion"}) instead. With --dit FILE, that DiT in place of the checkpoint's (quantise.py writes some). --require 0.8,0.7,0.7 fails below these shares. Needs numpy.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import zlib

import numpy as np

import checker
import grammar

SIZE, FRAMES = "128x96", "17"
_SAME_PSNR = 25.0  # decibels from which on the first frame counts as kept


def read_tensor(path, name):
    """One F32 tensor of a safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        begin, end = header[name]["data_offsets"]
        file.seek(begin, 1)
        return np.frombuffer(file.read(end - begin), np.float32).reshape(header[name]["shape"])


def to_bytes(video):
    """[3, F, H, W] in [-1, 1] as uint8 [F, H, W, 3], truncated as the engine does."""
    return ((video.clip(-1, 1) + 1) / 2 * 255).astype(np.uint8).transpose(1, 2, 3, 0)


def write_png(path, pixels):
    """uint8 [H, W, 3], rows unfiltered."""
    height, width, _ = pixels.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))


def read_png(path):
    """What write_png wrote."""
    data = pathlib.Path(path).read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    length = struct.unpack(">I", data[33:37])[0]
    rows = np.frombuffer(zlib.decompress(data[41 : 41 + length]), np.uint8).reshape(height, 1 + 3 * width)
    if rows[:, 0].any():
        raise ValueError(f"{path}: rows are filtered, expected a file of write_png")
    return rows[:, 1:].reshape(height, width, 3)


def psnr(a, b):
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return 99.0 if error == 0 else 10 * np.log10(255**2 / error)


class Engine:
    """The program under test and its settings."""

    def __init__(self, args, folder):
        self._command = [str(args.wanbench), "generate", "--device", args.device, "--checkpoint", str(args.checkpoint), "--size", SIZE]
        self._command += ["--num-frames", FRAMES, "--steps", str(args.steps), "--guidance-scale", str(args.guidance), "--discard"]
        self._command += ["--solver", args.solver, "--shift", str(args.shift)]
        if args.dit:
            self._command += ["--dit", str(args.dit)]
        self._folder = folder
        # Two jobs, or a test beside others: threads that wait must leave their core.
        self._environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}

    def video(self, prompt, seed, image=None):
        """uint8 [F, H, W, 3]."""
        dump = self._folder / f"{seed}.safetensors"
        command = [*self._command, "--prompt", prompt, "--seed", str(seed), "--dump", str(dump)]
        if image is not None:
            command += ["--image", str(image)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment)
        if ended.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr[-500:]}")
        clip = to_bytes(read_tensor(dump, "vae.decode.video"))
        dump.unlink()
        return clip


def text_tasks(count):
    return [{"scene": scene, "prompt": caption} for scene, caption in grammar.held_out_prompts(count)]


def image_tasks(count, folder):
    """Scenes whose first frame is drawn and given; another draw of seeds than the text prompts'."""
    import scenes  # needs PyTorch

    rng = random.Random(17)
    tasks = []
    for i, (scene, caption) in enumerate(grammar.held_out_prompts(count, seed=17)):
        clip, _ = scenes.render([scenes.drawing_of(scene, rng)], frames=1)
        path = folder / f"first{i}.png"
        write_png(path, (clip[0, 0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
        tasks.append({"scene": scene, "prompt": caption, "image": path})
    return tasks


def listed_tasks(path):
    """Tasks of a JSON file; images beside it."""
    tasks = []
    for entry in json.loads(path.read_text(encoding="utf-8")):
        scene = grammar.Scene(entry["colour"], entry["shape"], entry["motion"], entry.get("ground", "dark"))
        task = {"scene": scene, "prompt": entry["prompt"], "seed": entry["seed"]}
        if "image" in entry:
            task["image"] = path.parent / entry["image"]
        tasks.append(task)
    return tasks


def judge(engine, tasks, jobs, first_seed):
    """(scene, seen) of every task and, where an image was given, decibels between it and the first frame."""

    def one(numbered):
        number, task = numbered
        clip = engine.video(task["prompt"], task.get("seed", first_seed + number), task.get("image"))
        seen = checker.check(clip)
        kept = psnr(clip[0], read_png(task["image"])) if "image" in task else None
        wrong = [f for f in ("colour", "shape", "motion") if getattr(task["scene"], f) != getattr(seen, f)]
        print(f"{'ok   ' if not wrong else 'WRONG'} {task['prompt']}" + "".join(f"; {f} {getattr(seen, f)}" for f in wrong), flush=True)
        return task["scene"], seen, kept

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, enumerate(tasks)))


def summary(judged):
    rates = checker.rates([(scene, seen) for scene, seen, _ in judged])
    kept = [k for _, _, k in judged if k is not None]
    out = {"videos": len(judged), **{name: round(value, 4) for name, value in rates.items()}}
    return {**out, "first_frame_kept": round(sum(k >= _SAME_PSNR for k in kept) / len(kept), 4)} if kept else out


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wanbench", type=pathlib.Path, required=True)
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True)
    parser.add_argument("--dit", type=pathlib.Path, help="DiT in another file, in place of the checkpoint's")
    parser.add_argument("--prompts", type=int, default=120, help="text prompts; 0: none")
    parser.add_argument("--images", type=int, default=0, help="videos from a first frame")
    parser.add_argument("--list", type=pathlib.Path, help="these prompts instead")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=5.0)
    parser.add_argument("--shift", type=float, default=5.0)
    parser.add_argument("--solver", default="unipc")
    parser.add_argument("--seed", type=int, default=1000, help="of the first video; the next ones' follow")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path, help="where to write the shares")
    parser.add_argument("--require", default="0,0,0", help="least shares of colour, shape, motion")
    return parser.parse_args()


def main():
    args = parse()
    results = {"steps": args.steps, "guidance": args.guidance, "shift": args.shift, "solver": args.solver}
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        engine = Engine(args, work)
        if args.list:
            results["listed"] = summary(judge(engine, listed_tasks(args.list), args.jobs, args.seed))
        else:
            if args.prompts:
                results["text"] = summary(judge(engine, text_tasks(args.prompts), args.jobs, args.seed))
            if args.images:
                results["image"] = summary(judge(engine, image_tasks(args.images, work), args.jobs, args.seed + args.prompts))
    print(json.dumps(results, indent=1))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    least = dict(zip(("colour", "shape", "motion"), map(float, args.require.split(","))))
    short = [
        f"{part} {name} {results[part][name]:.1%} below {share:.1%}"
        for part in ("text", "image", "listed")
        if part in results
        for name, share in least.items()
        if results[part][name] < share
    ]
    for line in short:
        print(f"too few right: {line}", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
