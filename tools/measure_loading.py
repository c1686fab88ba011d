#!/usr/bin/env python3
"""A served model under load, by `wanbench load`: orders back to back, an open load of three times what the server can make, and orders at even intervals at
shares of the rate back to back, for the joules of a video with the waiting for work in them. Random weights at the published sizes. Python's standard library
alone.

Usage: measure_loading.py WANBENCH OUT [--small] [--model a14b] [--closed 4] [--overload 4] [--shares 0.9,0.6,0.3] [--each 3,3,2] [--two 0] [--least 0.97]
                          [--budget 390] [--scaling N]
Writes OUT/load.json (all levels), OUT/summary.json, OUT/report.md and OUT/report.html. --small: the small model that comes with the program, on the CPU, to
try this script. Exits 1 when a video fails or the overloaded server completes less than --least of the rate back to back; on the CPU that is not judged.
--scaling N: instead of all that, one worker back to back and N workers with N orders at a time (`serve --replicas N`), which are to complete 0.975 N times
as much. A level that would not end within --budget seconds since the begin is left out, and said so.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

MODELS = {
    "a14b": ["--weights", "random", "--model", "t2v-A14B", "--recipe", "lightning-4", "--size", "832x480", "--num-frames", "81", "--offload", "none"],
    "5b": ["--weights", "random", "--model", "ti2v-5B", "--recipe", "fastwan-3", "--size", "1280x704", "--num-frames", "121", "--offload", "none"],
    "small": ["--size", "128x96", "--num-frames", "17", "--steps", "4"],
}
PLACES = ["harbour", "forest", "desert", "city at night", "snowfield", "river", "market", "mountain road"]
WAITS = 300  # seconds: a bound that only a fault reaches


class Server:
    def __init__(self, program, folder, log, options):
        self.log = open(log, "wb")
        self.process = subprocess.Popen([program, "serve", "--output", folder, "--port", "0", *options], stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        if " is served at http://" not in line:
            raise SystemExit(f"the server did not start: {line!r}, see {log}")
        self.url = line.rsplit(" ", 1)[1].strip().rstrip("/")

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=WAITS)
        self.process.stdout.close()
        self.log.close()
        return code


def load(program, server, prompts, out, options):
    """The summary of one `wanbench load`; its load.json is in `out`."""
    command = [program, "load", "--target", server.url, "--prompts", prompts, "--output", out, "--seed", "11", "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}")
    return json.loads(done.stdout)


def value(measured, key="value"):
    return measured.get(key) if isinstance(measured, dict) else None


def line_of(level):
    def quantile(spread, p):
        if spread["value"] is None:
            return "-"
        return f"{next(q['value'] for q in spread['value']['quantiles'] if q['p'] == p):.2f}"

    rate, made, all_j = value(level["videos_per_s"]), value(level["video_energy_j"]), value(level["energy_with_waiting_j"])
    joules = ", ".join(f"{number:.0f} J {what}" for number, what in ((made and made["mean"], "made"), (all_j, "with waiting")) if number)
    return (f"  {level['name']:<14} {level['completed']:>3} of {level['asked']:<3} {rate * 3600 if rate else 0:8.1f} videos/h  latency p50 "
            f"{quantile(level['latency_s'], 0.5)} s, queue {quantile(level['queue_s'], 0.5)} s, service {quantile(level['service_s'], 0.5)} s  {joules or 'no energy'}")


class Measurement:
    """The levels of one server after another, within one budget."""

    def __init__(self, arguments):
        self.arguments, self.begin = arguments, time.monotonic()
        self.model = "small" if arguments.small else arguments.model
        self.work = tempfile.mkdtemp(prefix="wanbench-loading-")
        self.prompts = self.file("prompts.txt", "".join(self.prompt(number) + "\n" for number in range(len(PLACES))))
        self.levels, self.faults, self.left_out, self.documents, self.server = [], [], [], [], None

    def prompt(self, number):
        if self.model == "small":
            return f"a video of a red star that moves up on a dark background {number}"
        return f"A fox walks through a {PLACES[number]}, the camera follows."

    def file(self, name, content):
        path = os.path.join(self.work, name)
        with open(path, "w") as out:
            out.write(content)
        return path

    def serve(self, name, *options):
        device = "cpu" if self.arguments.small else "cuda"
        self.server = Server(self.arguments.program, os.path.join(self.work, name), os.path.join(self.arguments.out, name + ".log"),
                             ["--device", device, *MODELS[self.model], *options])

    def stop(self):
        code = self.server.stop()
        if code != 0:
            self.faults.append(f"the server ended with exit code {code}")

    def run(self, name, options, seconds):
        """Videos a second, or nothing where it was left out."""
        if time.monotonic() - self.begin + seconds > self.arguments.budget:
            self.left_out.append(name)
            print(f"  {name}: left out, {seconds:.0f} s more would pass the budget of {self.arguments.budget:.0f} s", flush=True)
            return None
        folder = os.path.join(self.work, name.replace(" ", "-"))
        summary = load(self.arguments.program, self.server, self.prompts, folder, options)
        with open(os.path.join(folder, "load.json")) as file:
            self.documents.append(json.load(file))
        level = summary["levels"][0]
        self.levels.append({**level, "name": name, "level": level["name"], "idle_w": value(summary["idle_w"])})
        print(line_of({**level, "name": name}), flush=True)
        if level["completed"] != level["asked"]:
            self.faults.append(f"{name}: {level['asked'] - level['completed']} of {level['asked']} videos were not completed: {level['failures']}")
        rate = value(level["videos_per_s"])
        if not rate:
            raise SystemExit(f"{name}: fewer than two videos were completed")
        return rate

    def judge(self, ratios, least):
        for name, ratio in ratios.items():
            print(f"  {name}: {ratio:.4f} of the rate back to back, at least {least}")
            if not self.arguments.small and ratio < least:
                self.faults.append(f"{name}: {ratio:.4f} of the rate back to back, at least {least}")

    def under_load(self):
        a = self.arguments
        self.serve("serve")
        try:
            rate = self.run("back to back", ["--concurrency", "1", "--requests", str(a.closed), "--warm-up", "1"], 0)
            ratios = {}
            over = self.run("overloaded", ["--rate", str(3 * rate), "--requests", str(a.overload), "--warm-up", "1"], (a.overload + 2) / rate)
            if over:
                ratios["overloaded"] = over / rate
            for share, count in zip([float(text) for text in a.shares.split(",")], [int(text) for text in a.each.split(",")], strict=True):
                interval = 1 / rate / share
                trace = self.file(f"trace-{share}.txt", "".join(f"{number * interval}\n" for number in range(count + 1)))
                self.run(f"load {share:g}", ["--trace", trace, "--warm-up", "1"], count * interval + 1 / rate)
            if a.two:
                two = self.run("two at once", ["--concurrency", "2", "--requests", str(a.two), "--warm-up", "1"], (a.two + 1) / rate)
                if two:
                    ratios["two at once"] = two / rate
        finally:
            self.stop()
        self.judge(ratios, a.least)
        return {"back_to_back_per_s": rate, "ratios": ratios, "least": a.least}

    def scaling(self):
        a, count = self.arguments, self.arguments.scaling
        rates = []
        for workers in (1, count):
            self.serve(f"serve-{workers}", "--replicas", str(workers))
            try:
                options = ["--concurrency", str(workers), "--requests", str(workers * a.closed), "--warm-up", str(2 * workers)]
                rates.append(self.run(f"{workers} workers", options, 0 if not rates else (a.closed + 3) / rates[0]))
            finally:
                self.stop()
        ratios = {f"{count} workers": rates[1] / rates[0]} if rates[1] else {}
        least = 0.975 * count
        self.judge(ratios, least)
        return {"one_worker_per_s": rates[0], "ratios": ratios, "least": least}

    def write(self, found):
        together = self.documents[0]
        for document in self.documents[1:]:
            together["levels"] += document["levels"]
        together["idle_power"] = self.documents[-1]["idle_power"]  # with the model on the card, as it waits
        with open(os.path.join(self.arguments.out, "load.json"), "w") as file:
            json.dump(together, file, indent=1)
        with open(os.path.join(self.arguments.out, "summary.json"), "w") as file:
            json.dump({"model": self.model, "wall_s": time.monotonic() - self.begin, **found, "left_out": self.left_out, "levels": self.levels,
                       "faults": self.faults}, file, indent=1)
        shutil.rmtree(self.work, ignore_errors=True)
        subprocess.run([self.arguments.program, "report", self.arguments.out], stdout=subprocess.DEVNULL, check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("out")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--model", choices=("a14b", "5b"), default="a14b")
    parser.add_argument("--closed", type=int, default=4)
    parser.add_argument("--overload", type=int, default=4)
    parser.add_argument("--shares", default="0.9,0.6,0.3")
    parser.add_argument("--each", default="3,3,2")
    parser.add_argument("--two", type=int, default=0)
    parser.add_argument("--least", type=float, default=0.97)
    parser.add_argument("--budget", type=float, default=390)
    parser.add_argument("--scaling", type=int)
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    measurement = Measurement(arguments)
    try:
        found = measurement.scaling() if arguments.scaling else measurement.under_load()
        measurement.write(found)
    finally:
        shutil.rmtree(measurement.work, ignore_errors=True)
    for fault in measurement.faults:
        print("FAULT", fault)
    print(f"{time.monotonic() - measurement.begin:.0f} s in all")
    return 1 if measurement.faults else 0


if __name__ == "__main__":
    sys.exit(main())
