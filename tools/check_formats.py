#!/usr/bin/env python3
"""Makes a video from every case of the format fixtures and holds its tensors against what their reference computed.

    tools/check_formats.py --fixtures DIR --files DIR --minis DIR [--build build] [--device cpu] [--precision fp32] [--only GLOB] [--markdown FILE]

`--fixtures` is the fixtures' own folder (formats.json, expected/), `--files` what its make_formats.py wrote, `--minis` the unpacked miniatures of
tests/golden. Each case is `wanbench generate` with the golden's arguments and the case's files, then `wanbench diff`: every tensor of the
expectation must be there, those of the DiT and the text encoder within 1e-4, the latent after all steps within 1e-3 (relative, |a-b|/|b|). A
case that is lossless is held against all fp32 tensors of the golden file, the video within 1e-3. With `--precision bf16` each of these tensors may
be off by 1.5 times what the official bf16 run of the unquantised miniature is (its golden file has both). Prints one line a case; exit code 1
when any case misses. Needs no packages."""
import argparse
import dataclasses
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tempfile

# Of the names in an expectation, behind "fp32.": the first prefix that fits has the limit.
LIMITS = (("vae.", 1e-3), ("", 1e-4))
WIDEST = max(limit for _, limit in LIMITS)
OFFICIAL_SHARE = 1.5  # of the official bf16 run's own error
MINIS = {"ti2v": "mini-ti2v-t2v", "moe": "mini-t2v-moe"}


@dataclasses.dataclass
class Outcome:
    name: str
    errors: dict  # relative error by tensor
    fault: str  # empty: the case holds

    def worst(self, prefix):
        """The largest error of the tensors whose names begin so; None: there are none."""
        return max((error for name, error in self.errors.items() if name.startswith(prefix)), default=None)


def limit_of(tensor):
    return next(limit for prefix, limit in LIMITS if tensor.startswith(prefix))


def official_errors(mini, args):
    """By tensor, how far the official bf16 run is from the fp32 truth."""
    golden = args.minis / mini / "golden.safetensors"
    _, output, _ = program([args.build / "wanbench", "diff", golden, golden, "--prefix-a", "bf16.", "--prefix-b", "fp32.", "--max-relative", 1])
    return errors_of(output.splitlines())


def limits_of(case, errors, args):
    """By tensor, of those that count."""
    if args.precision == "fp32":
        return {name: limit_of(name) for name in errors}
    official = official_errors(MINIS[case["model"]], args)
    counted = [name for name in errors if name in official and name.startswith(("dit.call0.out", "text.", "vae.decode.latent"))]
    return {name: OFFICIAL_SHARE * official[name] for name in counted}


def golden_arguments(info):
    """What the official program was told, by golden_info.json."""
    width, height = info["size_wh"]
    low_and_high = info["guide"] if isinstance(info["guide"], list) else [info["guide"]]
    arguments = ["--size", f"{width}x{height}", "--num-frames", info["frames"], "--steps", info["steps"], "--shift", info["shift"]]
    for flag, guide in zip(("--guidance-scale", "--guidance-scale-2"), reversed(low_and_high)):
        arguments += [flag, guide]
    arguments += ["--solver", info["solver"], "--seed", info["seed"]]
    arguments += ["--prompt", info["prompt"], "--negative-prompt", info["negative_prompt"]]
    if info["boundary"] is not None:
        arguments += ["--boundary", info["boundary"]]
    return arguments


def weight_arguments(case, files):
    """The case's files as options."""
    arguments = []
    if case["dit"] == case["vae"]:  # a folder with all parts
        arguments += ["--checkpoint", files / case["dit"]]
    else:
        dits = case["dit"] if isinstance(case["dit"], list) else [case["dit"]]
        flags = ["--dit"] if len(dits) == 1 else ["--dit-high", "--dit-low"]
        for flag, path in zip(flags, dits):
            arguments += [flag, files / path]
        arguments += ["--text-encoder", files / case["text_encoder"], "--vae", files / case["vae"]]
    for lora in case.get("lora", []):
        flag = f"--lora-{lora['expert']}" if "expert" in lora else "--lora"
        arguments += [flag, f"{files / lora['file']}={lora['strength']:g}"]
    return arguments


def expectation_of(case, fixtures, minis):
    if case["expect"].startswith("golden of "):
        return minis / case["expect"].removeprefix("golden of ") / "golden.safetensors"
    return fixtures / case["expect"]


def errors_of(lines):
    """Relative errors by name, from the lines `NAME RELATIVE LARGEST [VERDICT]` of `wanbench diff`."""
    errors = {}
    for line in lines:
        words = line.split()
        if len(words) >= 3 and words[0] != "only":
            try:
                errors[words[0]] = float(words[1])
            except ValueError:
                pass
    return errors


def program(command):
    """(exit code, its last words or output)."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, env=environment)
    return ended.returncode, ended.stdout, ended.stderr.strip()


def run_case(case, args, dump):
    info = json.loads((args.minis / MINIS[case["model"]] / "golden_info.json").read_text(encoding="utf-8"))
    command = [args.build / "wanbench", "generate", *weight_arguments(case, args.files), *golden_arguments(info)]
    command += ["--device", args.device, "--precision", args.precision, "--dump", dump, "--force", "--dump-level", "blocks", "--discard"]
    code, _, error = program(command)
    if code != 0:
        return Outcome(case["name"], {}, f"generate ended with {code}: {error[-400:]}")
    expectation = expectation_of(case, args.fixtures, args.minis)
    widest = WIDEST if args.precision == "fp32" else 1
    code, output, error = program(
        [args.build / "wanbench", "diff", dump, expectation, "--prefix-b", "fp32.", "--max-relative", widest, "--require-all"])
    errors = errors_of(output.splitlines())
    limits = limits_of(case, errors, args)
    faults = [f"{name} is off by {errors[name]:.3g}, allowed {limit:.3g}" for name, limit in limits.items() if not errors[name] <= limit]
    if code != 0 and not faults:
        faults = [f"diff ended with {code}: {(error or output).strip()[-400:]}"]
    for tensor in ("dit.call0.out", "vae.decode.latent"):
        if code == 0 and tensor not in errors:
            faults.append(f"{tensor} was not compared: {expectation} or the dump lacks it")
        elif code == 0 and tensor not in limits:
            faults.append(f"{tensor} has no limit: the golden file lacks the official run in {args.precision}")
    return Outcome(case["name"], errors, "; ".join(faults))


def columns(outcome):
    """Errors of the DiT's first call, of the text encoder and of the latent, and how many tensors were compared."""
    shown = [f"{value:.1e}" if value is not None else "" for value in map(outcome.worst, ("dit.", "text.", "vae.decode.latent"))]
    return [outcome.name, *shown, str(len(outcome.errors)), outcome.fault or "ok"]


TITLES = ["case", "DiT", "text", "latent", "tensors", ""]


def markdown(rows):
    return "\n".join("| " + " | ".join(row) + " |" for row in [TITLES, ["---"] * len(TITLES), *rows]) + "\n"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixtures", type=pathlib.Path, required=True)
    parser.add_argument("--files", type=pathlib.Path, required=True)
    parser.add_argument("--minis", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"), help="folder with the program")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--only", default="*", help="cases of these names")
    parser.add_argument("--markdown", type=pathlib.Path, help="where to write the table")
    return parser.parse_args()


def main():
    args = parse()
    cases = json.loads((args.fixtures / "formats.json").read_text(encoding="utf-8"))["cases"]
    cases = [case for case in cases if fnmatch.fnmatch(case["name"], args.only)]
    if not cases:
        sys.exit(f"{args.fixtures / 'formats.json'} has no case called {args.only}")
    rows, missed = [], 0
    with tempfile.TemporaryDirectory(prefix="wan_formats_") as work:
        for case in cases:
            outcome = run_case(case, args, pathlib.Path(work) / "dump.safetensors")
            rows.append(columns(outcome))
            missed += bool(outcome.fault)
            print("{:<28} {:>8} {:>8} {:>8} {:>3}  {}".format(*rows[-1]), flush=True)
    print(f"{len(rows) - missed} of {len(rows)} cases hold")
    if args.markdown:
        args.markdown.write_text(markdown(rows), encoding="utf-8")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
