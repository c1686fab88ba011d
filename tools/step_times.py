#!/usr/bin/env python3
"""Steps and peaks of the cases in a folder of records, and ratios between cases: for pages under docs/results.

Usage: step_times.py FOLDER [--against CASE] [--cold]

A step's time is the median over all steps of all warm runs (of cold ones with --cold), but the first step of a run, which waits for weights
in a cold one. Behind it the least and the most, the driver's peak of the card, page-locked memory and the process's peak on the host."""
import argparse
import json
import pathlib
import re
import statistics
import sys

GIB = 1 << 30


def value_of(fact):
    return fact.get("value") if isinstance(fact, dict) else None


def peak(record, *path):
    """The most of a number over all stages; None where no stage has it."""
    found = []
    for stage in record["stages"]:
        item = stage
        for key in path:
            item = item.get(key, {}) if isinstance(item, dict) else {}
        if value_of(item) is not None:
            found.append(value_of(item))
    return max(found) if found else None


def gib(number, digits=2):
    return "-" if number is None else f"{number / GIB:.{digits}f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--against", default="", help="case whose step the others' are divided by")
    parser.add_argument("--cold", action="store_true", help="of cold runs")
    args = parser.parse_args()
    scope = "cold" if args.cold else "warm"
    cases, failed = {}, 0
    for path in sorted(args.folder.rglob("*.run.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["workload"]["scope"] != scope:
            continue
        if record["status"] != "ok":
            print(f"{record['case']['name']}: {record['status']}: {record['error']}"[:200])
            failed += 1
            continue
        case = cases.setdefault(record["case"]["name"], {"steps": [], "records": []})
        case["records"].append(record)
        for stage in record["stages"]:
            if (step := re.fullmatch(r"Step_(\d+)_Inference", stage["name"])) and int(step[1]) > 1:
                case["steps"].append(stage["wall_ns"] / 1e9)
    base = statistics.median(cases[args.against]["steps"]) if args.against in cases else None
    for name, case in cases.items():
        steps = case["steps"]
        if not steps:
            continue
        middle = statistics.median(steps)
        ratio = "" if base is None else f" {middle / base:.4f}x"
        record = case["records"][-1]
        execution = value_of(record["execution"]) or {}
        print(f"{name}: step {middle:.4f} s [{min(steps):.4f}, {max(steps):.4f}]{ratio}; {execution.get('residency', '-')}; "
              f"card {gib(peak(record, 'device_memory', 'process_peak_bytes'))} GiB (planned {gib(value_of(record['predicted_peak_bytes']))}); "
              f"page-locked {gib(peak(record, 'host_memory', 'pinned_peak_bytes'))}, process {gib(peak(record, 'host_memory', 'process_peak_bytes'))} GiB; "
              f"{len(case['records'])} runs")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
