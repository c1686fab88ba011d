#!/usr/bin/env python3
"""Of a trace with one step kernel by kernel: what the step's first forward pass took more than its second, and in which kernels.

Usage: forward_kernels.py TRACE.json[.gz]

For each kernel of both passes: how often, its sum in either, and the difference; then the gaps between kernels, and what lies between the step's
beginning and its first kernel. A pass is a component of a step (cond, uncond) of which the trace has kernels. Then clock and power in the passes of
every step: where kernels that compute differ, those that move data do not, and the clock does, the card's power limit is the cause."""
import argparse
import collections
import gzip
import json
import pathlib
import statistics
import sys


def load(path):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return json.load(file)["traceEvents"]


def inside(kernels, part):
    return [kernel for kernel in kernels if part["ts"] <= kernel["ts"] < part["ts"] + part["dur"]]


def busy(kernels):
    """Milliseconds in which at least one of them ran."""
    total, end = 0.0, float("-inf")
    for kernel in kernels:
        begin, stop = max(kernel["ts"], end), kernel["ts"] + kernel["dur"]
        total += max(0.0, stop - begin)
        end = max(end, stop)
    return total / 1e3


def sums(kernels):
    by_name = collections.defaultdict(lambda: [0, 0.0])
    for kernel in kernels:
        by_name[kernel["name"]][0] += 1
        by_name[kernel["name"]][1] += kernel["dur"] / 1e3
    return by_name


def row(name, count, first, second):
    share = f"{100 * (first / second - 1):+7.2f} %" if second > 0 else "        -"
    print(f"{name[:70]:70} {count:>9} {first:11.3f} {second:11.3f} {first - second:+10.3f} {share}")


def sampled(events, name, part):
    values = [next(iter(event["args"].values())) for event in inside([event for event in events if event["ph"] == "C" and event["name"] == name], part)]
    return f"{statistics.mean(values):7.1f}" if values else "not sampled"


def compare(step, first, second, kernels):
    in_first, in_second = inside(kernels, first), inside(kernels, second)
    print(f"step {step}: {first['dur'] / 1e3:.3f} ms and {second['dur'] / 1e3:.3f} ms, {100 * (first['dur'] / second['dur'] - 1):+.2f} %")
    print(f"{'kernel':70} {'count':>9} {'first, ms':>11} {'second, ms':>11} {'more':>10}")
    of_first, of_second = sums(in_first), sums(in_second)
    names = sorted(set(of_first) | set(of_second), key=lambda name: -abs(of_first[name][1] - of_second[name][1]))
    for name in names:
        counts = f"{of_first[name][0]}/{of_second[name][0]}"
        row(name, counts, of_first[name][1], of_second[name][1])
    row("all kernels", f"{len(in_first)}/{len(in_second)}", busy(in_first), busy(in_second))
    row("without a kernel", "", first["dur"] / 1e3 - busy(in_first), second["dur"] / 1e3 - busy(in_second))
    row("  of it before the first kernel", "", (in_first[0]["ts"] - first["ts"]) / 1e3, (in_second[0]["ts"] - second["ts"]) / 1e3)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trace", type=pathlib.Path)
    events = load(parser.parse_args().trace)
    kernels = sorted((event for event in events if event.get("cat") == "device"), key=lambda event: event["ts"])
    steps = collections.defaultdict(dict)
    for event in events:
        if event.get("cat") == "component" and event["name"] in ("cond", "uncond"):
            steps[event["args"]["step"]][event["name"]] = event
    compared = 0
    for step, parts in sorted(steps.items()):
        if len(parts) == 2 and all(len(inside(kernels, part)) > 100 for part in parts.values()):
            compare(step, parts["cond"], parts["uncond"], kernels)
            compared += 1
        for name in ("SM clock (MHz)", "Power (W)"):
            if len(parts) == 2:
                print(f"step {step}: {name} {sampled(events, name, parts['cond'])} in the first, {sampled(events, name, parts['uncond'])} in the second")
    if compared == 0:
        sys.exit("the trace has no step with the kernels of two passes: make it with `wanbench run --trace-kernels` of a video with guidance")


if __name__ == "__main__":
    main()
