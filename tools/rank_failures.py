#!/usr/bin/env python3
"""Makes ranks of `wanbench generate --gpus N` fail, and what must hold after each: the command ends with an error that names the
rank, the stage and the collective, soon after the failure; nothing hangs and no process lives on.

Usage: rank_failures.py BUILD_DIR [--failures N] [--seed N]
BUILD_DIR has wanbench and share/wanbench (the small checkpoint). Ends after N failures (100), prints the counts, exits 1 on a fault.

Ways to fail, in turn, each of a random rank before a random one of its collectives (WANBENCH_RANK_FAULT, src/pipeline/rank_fault.h):
  throw   it throws an error
  sleep   it stands still for ever: found after --comm-timeout, and the process does not wait for it
  leave   it ends without an error
  exit    it ends the process, all ranks with it, with its code: nothing is left to name it
"""
import argparse
import collections
import glob
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time

KINDS = ["throw", "sleep", "leave", "exit"]
TIMEOUT_S = 3       # --comm-timeout
WITHIN_S = 5        # more than the whole video takes, until the command has ended
EXIT_CODE = 9       # of "exit"
WAYS = ["2,cfg=2", "2,ulysses=2", "4,cfg=2,ulysses=2"]  # to share the video


class Fault(Exception):
    pass


def descendants(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path) as file:
                for child in map(int, file.read().split()):
                    found += [child] + descendants(child)
        except OSError:
            pass
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def generate(build, way, fault, output):
    """(exit code, text, seconds, processes that were seen)"""
    gpus, parallel = way.split(",", 1)
    command = [f"{build}/wanbench", "generate", "--device", "cpu", "--gpus", gpus, "--parallel", parallel, "--comm-timeout", str(TIMEOUT_S),
               "--prompt", "a red star", "--size", "128x96",
               "--num-frames", "17", "--steps", "3", "--seed", "7", "--output", output]
    environment = dict(os.environ, GOMP_SPINCOUNT="10000")
    if fault:
        environment["WANBENCH_RANK_FAULT"] = fault
    begin = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    seen = set()
    try:
        while process.poll() is None:
            seen.update(descendants(process.pid))
            if time.monotonic() - begin > 60:
                raise Fault("hangs")
            time.sleep(0.01)
        return process.returncode, process.stdout.read(), time.monotonic() - begin, seen
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


PLACE = r"in ([A-Z]\w+), (?:before its first collective|after ([^,:;]+), behind its (\d+)(?:st|nd|rd|th) collective)"


def named(kind, text, rank, ranks):
    """(stage, last collective, its number, seconds it stood still)"""
    still = re.search(r"for (\d+\.\d) s", text)
    wanted = {"throw": rf"rank {rank} of {ranks}, {PLACE}: made to fail",
              "sleep": rf"rank {rank} of {ranks} stands still for [\d.]+ s: rank {rank} {PLACE}; waited for by",
              "leave": rf"ranks wait for rank {rank} of {ranks}, which has ended {PLACE}"}
    found = re.search(wanted[kind], " ".join(text.split()))
    if not found:
        raise Fault("does not name the rank, its stage and its collective")
    return found.group(1), found.group(2) or "none", int(found.group(3) or 0), float(still.group(1)) if still else 0.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--failures", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    pick = random.Random(arguments.seed)
    counts, stages, collectives = collections.Counter(), collections.Counter(), collections.Counter()
    faults, done, longest_still, longest = [], 0, 0.0, 0.0
    most = {}  # collectives that a rank may have, by way and rank: found as picked numbers are never reached
    with tempfile.TemporaryDirectory() as folder:
        output = f"{folder}/video.mp4"
        usual = {}
        for way in WAYS:
            code, text, usual[way], _ = generate(arguments.build, way, None, output)
            if code != 0:
                sys.exit(f"without a fault {way} fails: {text}")
            os.remove(output)
        while done < arguments.failures:
            text = ""
            kind, way = KINDS[done % len(KINDS)], WAYS[done // len(KINDS) % len(WAYS)]
            ranks = int(way.split(",")[0])
            rank = pick.randrange(ranks)
            # As many early ones, of short stages, as late ones: the VAE has most.
            number = round(math.exp(pick.uniform(0, math.log(most.setdefault((way, rank), 1000)))))
            fault = f"{kind},{rank},{number}"
            try:
                code, text, seconds, seen = generate(arguments.build, way, fault, output)
                if code == 0:
                    most[way, rank] = number - 1  # it never came so far
                    os.remove(output)
                    continue
                late = seconds - usual[way]
                if kind == "exit":
                    if code != EXIT_CODE:
                        raise Fault(f"ends with code {code}, not {EXIT_CODE}")
                else:
                    stage, collective, behind, still = named(kind, text, rank, ranks)
                    if behind != number - 1:
                        raise Fault(f"names collective {behind}, and {number - 1} was the last")
                    stages[stage] += 1
                    collectives[collective] += 1
                    longest_still = max(longest_still, still)
                longest = max(longest, late)
                if late > WITHIN_S:
                    raise Fault(f"ends {late:.1f} s later than the video takes")
                left = [pid for pid in seen if is_alive(pid)]
                if left:
                    raise Fault(f"processes live on: {left}")
                if kind == "exit":
                    for name in os.listdir(folder):  # as after a kill
                        os.remove(f"{folder}/{name}")
                if os.listdir(folder):
                    raise Fault(f"files are left: {os.listdir(folder)}")
            except Fault as fault_found:
                faults.append(f"{way} {fault}: {fault_found}\n{text}")
                print(faults[-1], flush=True)
                for name in os.listdir(folder):
                    os.remove(f"{folder}/{name}")
            counts[kind] += 1
            done += 1
    print(f"{done} failures ({', '.join(f'{kind} {counts[kind]}' for kind in KINDS)}), {len(faults)} faults; ended at most "
          f"{longest:.1f} s later than the video takes; longest standing still {longest_still:.1f} s")
    print("stages: " + ", ".join(f"{name} {count}" for name, count in sorted(stages.items())))
    print("last collectives: " + ", ".join(f"{name} {count}" for name, count in sorted(collectives.items())))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
