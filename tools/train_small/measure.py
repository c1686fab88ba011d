"""Has the engine make videos of prompts and says how many show what was asked for: colour, shape, motion.

    python3 tools/train_small/measure.py --wanbench build/wanbench --checkpoint models/shapes-ti2v [--prompts 120] [--json FILE]
        [-- OPTIONS of `generate` [-- OPTIONS of another setting]]

Text prompts are of combinations that training never showed. With --images N, as many videos begin with the first frame of a
drawn scene (needs PyTorch). With --list FILE, the prompts of that file (JSON: {"prompt", "image"?, "colour", "shape",
"motion"}) instead. With --dit FILE, that DiT in place of the checkpoint's (quantise.py writes some). --require 0.8,0.7,0.7 fails below these shares. Needs numpy.

What stands after `--` goes to `generate`, in place of what is given here by the same name. A second `--` begins another setting,
which makes the same prompts with the same seeds: then pairs.py's table says what the second one loses and gains against the first,
and whether that may be chance; --most-losses 3 fails above that. `-- -- --checkpoint NEW` compares two models.
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
import pairs

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


_SAID_HERE = ("--prompt", "--prompts", "--seed", "--seeds", "--image", "--dump", "--discard", "--output", "--frames", "--json")


def _name(option):
    return option.split("=")[0]


def command_of(args, options):
    """`generate` with the settings of the command line, and `options` in place of those of the same name. Throws ValueError
    where an option is one that every video has its own of."""
    taken = [_name(option) for option in options if _name(option) in _SAID_HERE]
    if taken:
        raise ValueError(f"{taken[0]} after --: every video here has its own; expected options of the setting, as --precision bf16")
    common = {
        "--device": args.device,
        "--checkpoint": args.checkpoint,
        "--size": SIZE,
        "--num-frames": FRAMES,
        "--steps": args.steps,
        "--guidance-scale": args.guidance,
        "--solver": args.solver,
        "--shift": args.shift,
        **({"--dit": args.dit} if args.dit else {}),
    }
    given = {_name(option) for option in options}
    kept = [str(word) for name, value in common.items() if name not in given for word in (name, value)]
    return [str(args.wanbench), "generate", *kept, "--discard", *options]


class Engine:
    """The program under test and its settings."""

    def __init__(self, command, folder, jobs):
        self._command, self._folder = command, folder
        # Two jobs, or a test beside others: threads that wait must leave their core.
        self._environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        if jobs > 1:
            self._environment.setdefault("OMP_NUM_THREADS", str(max(1, len(os.sched_getaffinity(0)) // jobs)))

    def video(self, number, prompt, seed, image=None):
        """uint8 [F, H, W, 3]; `number` is no other's that is made at the same time."""
        dump = self._folder / f"{number}.safetensors"
        command = [*self._command, "--prompt", prompt, "--seed", str(seed), "--dump", str(dump)]
        if image is not None:
            command += ["--image", str(image)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=self._environment)
        if ended.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr[-500:]}")
        clip = to_bytes(read_tensor(dump, "vae.decode.video"))
        dump.unlink()
        return clip


def text_tasks(count, first_seed):
    held_out = enumerate(grammar.held_out_prompts(count))
    return [{"part": "text", "scene": scene, "prompt": caption, "seed": first_seed + i} for i, (scene, caption) in held_out]


def image_tasks(count, folder, first_seed):
    """Scenes whose first frame is drawn and given; another draw of seeds than the text prompts'."""
    import scenes  # needs PyTorch

    rng = random.Random(17)
    tasks = []
    for i, (scene, caption) in enumerate(grammar.held_out_prompts(count, seed=17)):
        clip, _ = scenes.render([scenes.drawing_of(scene, rng)], frames=1)
        path = folder / f"first{i}.png"
        write_png(path, (clip[0, 0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
        tasks.append({"part": "image", "scene": scene, "prompt": caption, "seed": first_seed + i, "image": path})
    return tasks


def listed_tasks(path):
    """Tasks of a JSON file; images beside it."""
    tasks = []
    for entry in json.loads(path.read_text(encoding="utf-8")):
        scene = grammar.Scene(entry["colour"], entry["shape"], entry["motion"], entry.get("ground", "dark"))
        task = {"part": "listed", "scene": scene, "prompt": entry["prompt"], "seed": entry["seed"]}
        if "image" in entry:
            task["image"] = path.parent / entry["image"]
        tasks.append(task)
    return tasks


def tasks_of(args, folder):
    if args.list:
        return listed_tasks(args.list)
    from_images = image_tasks(args.images, folder, args.seed + args.prompts) if args.images else []
    return text_tasks(args.prompts, args.seed) + from_images


def _fields(scene):
    return {field: getattr(scene, field) for field in pairs.FIELDS}


def judge(engine, tasks, jobs):
    """Of every task what was asked for, what is seen, and where an image was given the decibels between it and the first frame."""

    def one(numbered):
        number, task = numbered
        clip = engine.video(number, task["prompt"], task["seed"], task.get("image"))
        asked, seen = _fields(task["scene"]), _fields(checker.check(clip))
        wrong = [field for field in pairs.FIELDS if asked[field] != seen[field]]
        print(f"{'ok   ' if not wrong else 'WRONG'} {task['prompt']}" + "".join(f"; {f} {seen[f]}" for f in wrong), flush=True)
        video = {**{key: task[key] for key in ("part", "prompt", "seed")}, "asked": asked, "seen": seen}
        return {**video, "kept_db": round(psnr(clip[0], read_png(task["image"])), 2)} if "image" in task else video

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, enumerate(tasks)))


def summary(videos):
    rates = checker.rates([(checker.Seen(**video["asked"]), checker.Seen(**video["seen"])) for video in videos])
    kept = [video["kept_db"] for video in videos if "kept_db" in video]
    out = {"videos": len(videos), **{name: round(value, 4) for name, value in rates.items()}}
    return {**out, "first_frame_kept": round(sum(k >= _SAME_PSNR for k in kept) / len(kept), 4)} if kept else out


def measure(args, command, options, tasks, folder):
    """One setting's shares by part, and its videos."""
    videos = judge(Engine(command, folder, args.jobs), tasks, args.jobs)
    parts = dict.fromkeys(video["part"] for video in videos)
    shares = {part: summary([video for video in videos if video["part"] == part]) for part in parts}
    said = {"steps": args.steps, "guidance": args.guidance, "shift": args.shift, "solver": args.solver, "options": options}
    return {**said, **shares, "videos": videos}


def too_few(result, least):
    """What is below the least shares, a line each."""
    return [
        f"{part} {name} {result[part][name]:.1%} below {share:.1%}"
        for part in ("text", "image", "listed")
        if part in result
        for name, share in least.items()
        if result[part][name] < share
    ]


def split(arguments):
    """What stands before the first `--`, and the options of every setting: what stands after each."""
    parts = [[]]
    for argument in arguments:
        if argument == "--":
            parts.append([])
        else:
            parts[-1].append(argument)
    return parts[0], parts[1:] or [[]]


def parse(arguments):
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
    parser.add_argument("--json", type=pathlib.Path, help="where to write the shares and every video's verdict")
    parser.add_argument("--require", default="0,0,0", help="least shares of colour, shape, motion, of every setting")
    parser.add_argument("--most-losses", type=int, help="of two settings, most net losses of all videos; default: any")
    return parser.parse_args(arguments)


def report(results, compared):
    """One setting's document, or that of two with their pairs."""
    return {"a": results[0], "b": results[1], "pairs": pairs.as_json(compared)} if compared else results[0]


def main():
    own, settings = split(sys.argv[1:])
    args = parse(own)
    if len(settings) > 2:
        print(f"error: {len(settings)} settings after --, expected one or two", file=sys.stderr)
        return 2
    try:
        commands = [command_of(args, options) for options in settings]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    results = []
    with tempfile.TemporaryDirectory() as work:
        tasks = tasks_of(args, pathlib.Path(work))
        for letter, command, options in zip("AB", commands, settings):
            if len(settings) > 1:
                print(f"== {letter}: {' '.join(options) or 'as above'}", flush=True)
            results.append(measure(args, command, options, tasks, pathlib.Path(work)))
    for result in results:
        print(json.dumps({key: value for key, value in result.items() if key != "videos"}, indent=1))
    compared = pairs.compare(*(result["videos"] for result in results)) if len(results) == 2 else None
    if compared:
        print(pairs.table(compared))
    if args.json:
        args.json.write_text(json.dumps(report(results, compared), indent=1) + "\n", encoding="utf-8")
    least = dict(zip(pairs.FIELDS, map(float, args.require.split(","))))
    short = [f"too few right: {line}" for result in results for line in too_few(result, least)]
    lost = pairs.too_many_losses(compared, args.most_losses) if compared else ""
    for line in filter(None, (*short, lost)):
        print(line, file=sys.stderr)
    return 1 if short or lost else 0


if __name__ == "__main__":
    sys.exit(main())
