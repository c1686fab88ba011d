#!/usr/bin/env python3
"""SIGKILLs of `wanbench run` at any moment, and what must hold after each: no process of it lives on, no record is damaged, and
a run with --resume ends with every record once and no temporary file.

Usage: kill_test.py BUILD_DIR [--kills N] [--state FILE] [--seconds S] [--seed N]
BUILD_DIR has wanbench and share/wanbench (the small checkpoint). With --state the counts are kept in FILE after every kill, and
the same command goes on where it stopped. Ends after N kills (1000) or S seconds, prints the counts, exits 1 on a fault.

Kinds of kills, in turn:
  group    wanbench's process group
  parent   wanbench alone
  child    the engine's process, or the measured program; wanbench must record it and go on
  part     wanbench alone, while a temporary file exists
  report   wanbench alone, while the report is written
"""
import argparse
import glob
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

KINDS = ["group", "parent", "child", "part", "report"]
SUITE = {"schema": "wanbench.suite", "format": 1, "name": "kill", "version": "1",
         "cases": [{"name": "c", "prompt": "a red star", "device": "cpu", "width": 32, "height": 32, "num_frames": 5, "steps": 2, "seed": 7}]}
REPEATS = 3
ENDS_WITHIN = 60.0  # seconds; what is awaited takes milliseconds


class Fault(Exception):
    pass


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path) as file:
                found += [int(word) for word in file.read().split()]
        except OSError:
            pass
    return found


def descendants(pid):
    found = children(pid)
    for child in list(found):
        found += descendants(child)
    return found


def start_of(pid):
    """What tells a process from another of the same number; None: it is gone or not waited for yet."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        return None


def command_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
    except OSError:
        return ""


def parts(folder):
    return glob.glob(folder + "/**/*.part", recursive=True)


def kill(pid, send=os.kill):
    try:
        send(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Round:
    """One run that is killed, in a folder that earlier rounds may have left something in."""

    def __init__(self, program, folder, kind, chance):
        self.folder, self.kind, self.chance = folder, kind, chance
        self.output = folder + "/o"
        suite = folder + "/s.json"
        if not os.path.exists(suite):
            with open(suite, "w") as file:
                json.dump(SUITE, file)
        self.command = [program, "run", "--suite", suite, "--output", self.output, "--repeats", str(REPEATS), "--warmups", "0", "--resume"]

    def start(self):
        return subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def moment_comes(self, run, until):
        """Waits for the moment of this kind; False: the run ended before."""
        while run.poll() is None:
            if self.kind == "report":
                if os.path.isdir(self.output) and any(name.endswith(".part") and name.startswith(("report.", "results.", "trace."))
                                                      for name in os.listdir(self.output)):
                    return True
            elif self.kind == "part":
                if parts(self.output):
                    return True
            elif time.monotonic() >= until and (self.kind != "child" or self.measured(run.pid)):
                return True
            if self.kind not in ("part", "report"):  # those moments are short: looked for without a pause
                time.sleep(0.002)
        return False

    @staticmethod
    def measured(pid):
        return [child for child in children(pid) if command_of(child) != "wb-guard"]

    def killed(self):
        """Whether a kill fell into the run."""
        run = self.start()
        came = self.moment_comes(run, time.monotonic() + self.chance)
        family = {pid: start_of(pid) for pid in descendants(run.pid)} if came else {}
        if came and self.kind == "child":
            for child in self.measured(run.pid):
                kill(child)
            if run.wait(timeout=300) not in (0, 1):
                raise Fault(f"exit code {run.returncode} after its child was killed")
        elif came:
            kill(run.pid, os.killpg if self.kind == "group" else os.kill)
        run.wait(timeout=300)
        self.all_ended(family)
        return came

    @staticmethod
    def all_ended(family):
        deadline = time.monotonic() + ENDS_WITHIN
        alive = dict(family)
        while alive and time.monotonic() < deadline:
            alive = {pid: start for pid, start in alive.items() if start is not None and start_of(pid) == start}
            time.sleep(0.005)
        if alive:
            names = {pid: command_of(pid) for pid in alive}
            for pid in alive:
                kill(pid)
            raise Fault(f"still running: {names}")

    def look(self):
        """What was on the disk is whole."""
        for path in glob.glob(self.output + "/**/*.json", recursive=True):
            with open(path) as file:
                try:
                    json.load(file)
                except ValueError as problem:
                    raise Fault(f"{path}: {problem}") from problem

    def resume(self):
        done = subprocess.run(self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False)
        # A child that was killed is a record that is not ok, and then the exit code is 1.
        if done.returncode not in (0, 1):
            raise Fault(f"--resume: exit code {done.returncode}: {done.stdout.decode(errors='replace')[-500:]}")
        self.look()
        repeats = []
        for path in glob.glob(self.output + "/records/*.run.json"):
            with open(path) as file:
                repeats.append(json.load(file)["case"]["repeat"])
        if sorted(repeats) != list(range(REPEATS)):
            raise Fault(f"repeats {sorted(repeats)} are there, expected each of {REPEATS} once")
        if parts(self.output):
            raise Fault(f"left: {parts(self.output)}")
        if not os.path.exists(self.output + "/report.md"):
            raise Fault("no report")


def load(path):
    if path and os.path.exists(path):
        with open(path) as file:
            return json.load(file)
    return {"killed": {kind: 0 for kind in KINDS}, "too_late": {kind: 0 for kind in KINDS}, "resumed": 0, "faults": []}


def save(path, state):
    if not path:
        return
    with open(path + ".new", "w") as file:
        json.dump(state, file, indent=1)
    os.replace(path + ".new", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--state")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    program = os.path.join(os.path.abspath(arguments.build), "wanbench")
    state = load(arguments.state)
    end = time.monotonic() + arguments.seconds
    total = lambda: sum(state["killed"].values())  # noqa: E731
    dice = random.Random(arguments.seed * 1_000_003 + total() + sum(state["too_late"].values()))
    root = tempfile.mkdtemp(prefix="wanbench-kill-")
    try:
        start = time.monotonic()
        whole = Round(program, tempfile.mkdtemp(dir=root), "none", 0)
        whole.resume()  # one that nobody kills, to know how long it takes
        length = time.monotonic() - start
        number = 0
        while total() < arguments.kills and time.monotonic() < end and not state["faults"]:
            kind = min(KINDS, key=lambda k: (state["killed"][k], state["too_late"][k]))
            folder = tempfile.mkdtemp(dir=root)
            number += 1
            try:
                # Two kills into one folder, the second into a run that resumes.
                for _ in range(2):
                    one = Round(program, folder, kind, dice.uniform(0, 0.9 * length))
                    state["killed" if one.killed() else "too_late"][kind] += 1
                    one.look()
                    save(arguments.state, state)
                one.resume()
                state["resumed"] += 1
            except (Fault, subprocess.TimeoutExpired) as fault:
                state["faults"].append(f"{kind}: {fault}")
            save(arguments.state, state)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(f"{total()} of {arguments.kills} kills: " + ", ".join(f"{kind} {count}" for kind, count in state["killed"].items()))
    print(f"{sum(state['too_late'].values())} came too late; {state['resumed']} folders resumed")
    for fault in state["faults"]:
        print("FAULT", fault)
    return 1 if state["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
