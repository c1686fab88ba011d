#!/usr/bin/env python3
"""Runs the fuzz targets (tests/fuzz) in slices and keeps count, so that it goes on where it stopped; a find ends its target.

Everything lies in the build folder: state.json (executions and finds of each target), corpora, seeds, finds. A find that no longer is
one, since the source was mended, is forgotten when its target is run again.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LONGEST_INPUT = 1 << 17  # holds every seed; memory beyond 512 MiB for so little would be a find
FIRST_SLICE = 500  # executions, to learn how long one takes
SECONDS_A_SLICE = 60
LIMITS = [f"-max_len={LONGEST_INPUT}", "-timeout=10", "-rss_limit_mb=1024", "-malloc_limit_mb=512"]
EVENLY = "-entropic=0"  # each of the corpus as often: weighing them took half the time of targets with many features
STACKS = "malloc_context_size=2"  # frames kept of each allocation; of a find all are seen when it is replayed without


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", default=[], help="this one alone; may be given again")
    parser.add_argument("--executions", type=int, default=1_000_000, help="of each target, in all (default %(default)s)")
    parser.add_argument("--report-executions", type=int, default=20_000, help="of each target that goes on to a report (default %(default)s)")
    parser.add_argument("--slice", type=int, default=50_000, help="executions of one process at most (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=0, help="end after this time; 0: when all is done")
    parser.add_argument("--jobs", type=int, default=1, help="processes beside each other, of one target or several (default %(default)s)")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path(os.environ.get("WAN_FUZZ_BUILD", "build/fuzz")), help="build folder (default %(default)s)")
    parser.add_argument("--no-build", action="store_true", help="what is in the build folder is taken as it is")
    parser.add_argument("--table", action="store_true", help="prints what was counted as Markdown, and does nothing else")
    return parser.parse_args()


def base_of(target):
    """The reader of a target that goes on to a report has the same seeds."""
    return target.removesuffix("_report")


class State:
    """What was done, in a file that is replaced whole."""

    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.targets = json.loads(path.read_text())["targets"] if path.exists() else {}

    def of(self, target):
        return self.targets.setdefault(target, {"executions": 0, "seconds": 0.0, "finds": []})

    def add(self, target, executions, seconds, finds):
        with self.lock:
            entry = self.of(target)
            entry["executions"] += executions
            entry["seconds"] = round(entry["seconds"] + seconds, 1)
            entry["finds"] += finds
            self.save()

    def rate(self, target):
        """Executions a second; None: not known yet."""
        entry = self.of(target)
        return entry["executions"] / entry["seconds"] if entry["executions"] and entry["seconds"] else None

    def save(self):
        temporary = self.path.with_suffix(".part")
        temporary.write_text(json.dumps({"targets": self.targets}, indent=1, sort_keys=True) + "\n")
        temporary.replace(self.path)


class Fuzzer:
    def __init__(self, options):
        self.options = options
        self.folder = options.build / "fuzz"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = State(self.folder / "state.json")
        self.running = {}  # executions under way, by target
        self.slices = 0
        self.end = time.monotonic() + options.seconds if options.seconds else None

    def build(self, targets):
        options = self.options
        subprocess.run(["cmake", "--preset", "fuzz", "-B", options.build], cwd=ROOT, check=True)
        names = [f"fuzz_{target}" for target in targets] or ["fuzz"]
        subprocess.run(["cmake", "--build", options.build, "-j", str(max(options.jobs, 2)), "--target", *names], cwd=ROOT, check=True)

    def make_seeds(self):
        fixtures = self.options.build / "fixtures"
        fixtures.mkdir(exist_ok=True)
        for archive in sorted(ROOT.glob("tests/golden/*.tar.xz")):
            if not (fixtures / archive.name.removesuffix(".tar.xz")).exists():
                subprocess.run(["tar", "-C", fixtures, "-xJf", archive], check=True)
        subprocess.run([sys.executable, "-B", ROOT / "tests/fuzz/make_seeds.py", fixtures, self.folder / "seeds"], check=True)

    def all_targets(self):
        return (self.folder / "targets.txt").read_text().split()

    def wanted(self, target):
        return self.options.report_executions if target.endswith("_report") else self.options.executions

    def seconds_left(self):
        return None if self.end is None else self.end - time.monotonic()

    def program(self, target):
        return [self.folder / f"fuzz_{target}", *LIMITS, "-close_fd_mask=1"]

    def still_finds(self, target):
        """The target's finds that are finds yet."""
        return [find for find in self.state.of(target)["finds"]
                if pathlib.Path(find).exists() and subprocess.run([*self.program(target), find], capture_output=True).returncode != 0]

    def slice_of(self, target, runs, number):
        """One process: executions, seconds, finds."""
        corpus = self.folder / "corpus" / target
        corpus.mkdir(parents=True, exist_ok=True)
        finds = self.folder / "finds" / target / f"{os.getpid()}.{number}"
        finds.mkdir(parents=True)
        seeds = [folder for folder in (self.folder / "seeds" / base_of(target), ROOT / "tests/fuzz/findings" / base_of(target)) if folder.is_dir()]
        dictionary = self.folder / "seeds" / f"{base_of(target)}.dict"
        command = [*self.program(target), f"-runs={runs}", EVENLY, "-print_final_stats=1", f"-artifact_prefix={finds}/"]
        if dictionary.exists():
            command.append(f"-dict={dictionary}")
        left = self.seconds_left()
        if left is not None:
            command.append(f"-max_total_time={max(1, int(left))}")
        begin = time.monotonic()
        log = finds / "log"
        with open(log, "wb") as output:
            done = subprocess.run([*command, corpus, *seeds], stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env={"ASAN_OPTIONS": STACKS, **os.environ})
        text = log.read_text(errors="replace")
        counted = re.search(r"stat::number_of_executed_units:\s*(\d+)", text)
        found = [] if done.returncode == 0 else [str(path) for path in sorted(finds.iterdir()) if path != log] or [str(log)]
        if not found:
            log.unlink()
            finds.rmdir()
        return int(counted.group(1)) if counted else 0, time.monotonic() - begin, found

    def forget_mended(self, targets):
        """Of what was found before, what is a find yet."""
        for target in targets:
            finds = self.still_finds(target)
            with self.state.lock:
                self.state.of(target)["finds"] = finds
                self.state.save()

    def next_slice(self, targets):
        """Of the targets that want more, the one with the least left to do; one whose rate is not known comes first, and once. None: none
        wants more now."""
        def left(target):
            return self.wanted(target) - self.state.of(target)["executions"] - self.running[target]

        seconds_left = self.seconds_left()
        if seconds_left is not None and seconds_left < 1:
            return None
        with self.state.lock:
            wanting = [target for target in targets if not self.state.of(target)["finds"] and left(target) > 0
                       and (self.state.rate(target) or not self.running[target])]
            if not wanting:
                return None
            target = min(wanting, key=lambda each: left(each) / self.state.rate(each) if self.state.rate(each) else 0)
            rate = self.state.rate(target)
            runs = min(left(target), self.options.slice, max(100, int(rate * SECONDS_A_SLICE)) if rate else FIRST_SLICE)
            self.running[target] += runs
            self.slices += 1
            return target, runs, self.slices

    def work(self, targets):
        """One of several workers."""
        while True:
            job = self.next_slice(targets)
            if job is None:
                if not any(self.running.values()):
                    return
                time.sleep(0.2)  # another's slice may leave something to do
                continue
            target, runs, number = job
            executions, seconds, finds = self.slice_of(target, runs, number)
            self.state.add(target, executions, seconds, finds)
            with self.state.lock:  # after what it did is counted: who sees nothing under way ends
                self.running[target] -= runs
            print(f"{target}: {self.state.of(target)['executions']:,} of {self.wanted(target):,}, {executions / max(seconds, 0.001):,.0f} a second"
                  f"{'; found ' + ', '.join(finds) if finds else ''}", flush=True)

    def run(self, targets):
        """Whether nothing was found."""
        self.forget_mended(targets)
        self.running = dict.fromkeys(targets, 0)
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for each in [pool.submit(self.work, targets) for _ in range(self.options.jobs)]:
                each.result()
        return not any(self.state.of(target)["finds"] for target in targets)

    def table(self, head, row):
        yield head
        for target in self.all_targets():
            entry = self.state.of(target)
            rate = entry["executions"] / entry["seconds"] if entry["seconds"] else 0
            yield row.format(target, f"{entry['executions']:,}", f"{rate:,.0f}", len(entry["finds"]))


def main():
    options = arguments()
    options.build = (ROOT / options.build).resolve()
    fuzzer = Fuzzer(options)
    if options.table:
        print("\n".join(fuzzer.table("| target | executions | a second | finds |\n|---|---|---|---|", "| {} | {} | {} | {} |")))
        return 0
    if not options.no_build:
        fuzzer.build(options.target)
    fuzzer.make_seeds()
    targets = options.target or fuzzer.all_targets()
    clean = fuzzer.run(targets)
    print("\n".join(fuzzer.table(f"{'target':<22}{'executions':>12}{'a second':>10}{'finds':>7}", "{:<22}{:>12}{:>10}{:>7}")))
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
