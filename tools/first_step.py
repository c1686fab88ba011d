#!/usr/bin/env python3
"""How long a program takes from its process's start to the start of its first step.

Usage: first_step.py WANBENCH [--repeats N] -- ARGUMENTS of `generate`

The start of step 1 is the moment the program announces step 2, less what step 1 took by its own table."""
import argparse
import re
import statistics
import subprocess
import sys
import time

VIDEO = ["--size", "832x480", "--num-frames", "81", "--recipe", "lightning-4", "--discard", "--yes", "--verbose", "--prompt", "A small sailing boat"]


def run(program, arguments):
    """Seconds to the first step, to each line that the program announces a stage with, and its table of stages."""
    begin = time.monotonic()
    process = subprocess.Popen([program, "generate", *arguments, *VIDEO], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen, stages, lines = {}, {}, []
    for line in process.stdout:
        now = time.monotonic() - begin
        lines.append(line)
        announced = re.match(r"(step \d+|[A-Z]\w+)(/\d+)? +[\d.]+ s", line)
        if announced:
            seen.setdefault(announced[1], now)
        row = re.match(r"([A-Z]\w+) +([\d.]+)$", line)
        if row:
            stages[row[1]] = float(row[2])
    if process.wait() != 0 or "step 2" not in seen or "Step_0_Inference" not in stages:
        sys.exit("".join(lines[-20:]) + f"{program} generate {' '.join(arguments)} gave no two steps")
    return seen["step 2"] - stages["Step_0_Inference"], seen, stages


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("arguments", nargs="+")
    given = parser.parse_args()
    times = []
    for _ in range(given.repeats):
        seconds, seen, stages = run(given.program, given.arguments)
        times.append(seconds)
        print(f"{seconds:.2f} s to step 1; announced: " + ", ".join(f"{name} {at:.2f}" for name, at in seen.items() if name != "Output_Encoding"))
        print("  took: " + ", ".join(f"{name} {took:.2f}" for name, took in stages.items()))
    print(f"{' '.join(given.arguments)}: {statistics.median(times):.2f} s [{min(times):.2f}, {max(times):.2f}], n = {len(times)}")


main()
