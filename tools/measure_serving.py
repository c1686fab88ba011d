#!/usr/bin/env python3
"""What serving adds to making a video, and how soon a cancelled one frees the card: each model is measured by `wanbench run`, warm, and then served
warm by `wanbench serve` with the same settings, from the order over HTTP to the last event of its stream. Random weights at the published sizes.
Python's standard library alone.

Usage: measure_serving.py WANBENCH OUT [--small] [--videos 3] [--most 1.02] [--cancel-only]
Writes OUT/serving.json and prints a table. --small: the small model that comes with the program, on the CPU, to try this script. Exits 1 when service takes
longer than --most times what `run` takes, or the card is busy longer than one step after a cancellation; on the CPU neither is judged. --cancel-only: no video of `run`, and one that is served before the one that is cancelled.
"""
import argparse
import csv
import datetime
import glob
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PROMPT = "A small sailing boat heads for the harbour in the evening sun, waves glitter, the camera follows it slowly."
MODELS = {
    "TI2V_5B_704p_3_Steps": {"model": "ti2v-5B", "recipe": "fastwan-3", "width": 1280, "height": 704, "num_frames": 121},
    "T2V_A14B_480p_4_Steps": {"model": "t2v-A14B", "recipe": "lightning-4", "width": 832, "height": 480, "num_frames": 81},
}
SMALL = {"Small": {"width": 128, "height": 96, "num_frames": 17, "steps": 6}}
POWER_LAG = 0.1  # seconds: the driver averages the power that it tells, and nvidia-smi reads it every 20 ms
WAITS = 120  # seconds: a bound that only a fault reaches


class Card:
    """Readings of the first card's power, as fast as nvidia-smi gives them. Without one, none."""

    def __init__(self):
        self.readings, self.process = [], None
        if shutil.which("nvidia-smi") is None:
            return
        for field in ("power.draw.instant", "power.draw"):
            query = ["nvidia-smi", "-i", "0", f"--query-gpu={field}", "--format=csv,noheader,nounits"]
            once = subprocess.run(query, capture_output=True, text=True, check=False)
            if once.returncode == 0 and once.stdout.strip().replace(".", "").isdigit():
                self.field = field
                self.process = subprocess.Popen([*query, "-lms", "20"], stdout=subprocess.PIPE, text=True)
                threading.Thread(target=self.read, daemon=True).start()
                return

    def read(self):
        for line in self.process.stdout:
            try:
                self.readings.append((time.monotonic(), float(line)))
            except ValueError:
                continue

    def watts(self, begin, end):
        return [watts for at, watts in self.readings if begin <= at <= end]

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()


class Server:
    def __init__(self, program, folder, options):
        self.log = open(folder + ".log", "wb")
        self.process = subprocess.Popen([program, "serve", "--output", folder, "--port", "0", *options], stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        if " is served at http://" not in line:
            raise SystemExit(f"the server did not start: {line!r}, see {self.log.name}")
        self.port = int(line.rsplit(":", 1)[1].strip("/\n"))

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAITS)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {data.decode()}")
        return json.loads(data)

    def events(self, video):
        """(when it came, document) of each event of a video, until it is over."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAITS)
        connection.request("GET", f"/v1/videos/{video}/events")
        for line in connection.getresponse():
            if line.startswith(b"data: "):
                yield time.monotonic(), json.loads(line[6:])
        connection.close()

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=WAITS)
        self.process.stdout.close()
        self.log.close()
        return code


def text_of_size(case):
    return f"{case['width']}x{case['height']}"


def stages_of_a_video(rows, videos):
    """Mean seconds of each stage of one video, of (stage, seconds) of all of them; the steps together, as the server tells them."""
    sums = {}
    for stage, seconds in rows:
        stage = {"Loading": "Steps_Loading", "Inference": "Steps"}[stage.rsplit("_", 1)[1]] if stage.startswith("Step_") else stage
        sums[stage] = sums.get(stage, 0.0) + seconds
    return {stage: seconds / videos for stage, seconds in sums.items()}


def measured_by_run(program, name, case, arguments, work):
    """Seconds of each warm video, as `run` has them."""
    defaults = {"prompt": PROMPT, "seed": 42, "offload": "none"}
    if not arguments.small:
        defaults["random_weights"] = True
    suite = {"schema": "wanbench.suite", "format": 1, "name": "serving", "version": "1", "defaults": defaults, "cases": [{"name": name, **case}]}
    file = os.path.join(work, name + ".json")
    with open(file, "w") as out:
        json.dump(suite, out)
    output = os.path.join(work, name + "-run")
    command = [program, "run", "--suite", file, "--device", arguments.device, "--repeats", "0", "--warmups", "0", "--warm-repeats", str(arguments.videos),
               "--cool-down", "0", "--output", output, "--yes"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-2000:]}")
    with open(os.path.join(output, "results.csv")) as table:
        rows = [(row["stage"], int(row["wall_ns"]) / 1e9) for row in csv.DictReader(table) if row["scope"] == "warm" and "/" not in row["stage"]]
    totals = [seconds for stage, seconds in rows if stage == "Total_Execution"]
    flags = set()
    for record in glob.glob(os.path.join(output, "records", "*.run.json")):
        with open(record) as text:
            record = json.load(text)
            flags |= {flag["name"] for flag in record["validity"]}
            tool = record["tool"]
            device = record["execution"]["value"]["device"]
    if len(totals) != arguments.videos:
        raise SystemExit(f"{name}: expected {arguments.videos} warm videos of run, found {len(totals)}")
    return {"seconds": totals, "stages": stages_of_a_video(rows, arguments.videos), "flags": sorted(flags)}, tool, device


def options_of(case, arguments):
    options = ["--device", arguments.device, "--size", text_of_size(case), "--num-frames", str(case["num_frames"]), "--offload", "none"]
    if "model" in case:
        options += ["--weights", "random", "--model", case["model"], "--recipe", case["recipe"]]
    if "steps" in case:
        options += ["--steps", str(case["steps"])]
    return options


def served(server, arguments):
    """Of each warm video: from the order to the event that it is there, and its worker's own time. A new prompt each: none is known already."""
    videos = []
    for index in range(1 + arguments.videos):
        begin = time.monotonic()
        video = server.ask("POST", "/v1/videos", json.dumps({"prompt": f"{PROMPT} {index}", "seed": 42}))
        for at, document in server.events(video["id"]):
            last, ended = document, at
        if last["status"] != "completed":
            raise SystemExit(f"a video is {last['status']}: {last['error']}")
        videos.append({"service_s": ended - begin, "inference_time_s": last["inference_time_s"], "step_s": last["step_seconds"],
                       "stages": last["stages"], "peak_memory_mb": last["peak_memory_mb"], "energy_j": last["energy_j"]})
    return videos[0], videos[1:]


def cancelled(server, card):
    """A video is cancelled in the middle of a step: when the server says so, and when the card stands still."""
    time.sleep(1)  # the card's power without work
    idle_from = time.monotonic() - 0.5
    idle_watts = card.watts(idle_from, time.monotonic())
    video = server.ask("POST", "/v1/videos", json.dumps({"prompt": PROMPT + " It is cancelled.", "seed": 42}))
    asked, steps = None, []
    for at, document in server.events(video["id"]):
        ended, last = at, document
        steps = document.get("step_seconds") or steps  # the last document may have none
        if asked is None and len(document.get("step_seconds", [])) >= 1:  # the second step has begun
            asked = time.monotonic()
            server.ask("POST", f"/v1/videos/{video['id']}/cancel")
    if last["status"] != "cancelled" or asked is None:
        raise SystemExit(f"the video that was to be cancelled is {last['status']}")
    result = {"told_s": ended - asked, "steps_done": len(steps), "card_idle_s": None, "card_idle_reason": "there is no card"}
    if card.process is None:
        return result
    time.sleep(1.5 + 2 * max(steps))
    now = time.monotonic()
    busy_watts, last_watts = card.watts(asked - 0.3, asked), card.watts(now - 0.5, now)
    if not idle_watts or not busy_watts or not last_watts:
        result["card_idle_reason"] = "nvidia-smi gave no reading in time"
        return result
    half = (statistics.median(idle_watts) + statistics.median(busy_watts)) / 2
    if max(last_watts) > half:
        result["card_idle_reason"] = f"it still works {now - asked:.1f} s later"
        return result
    working = [at for at, watts in card.readings if at >= asked and watts > half]
    result.update(card_idle_s=(max(working) - asked) if working else 0.0, card_idle_reason=None, power_from=card.field,
                  idle_w=statistics.median(idle_watts), busy_w=statistics.median(busy_watts))
    return result


def only_cancelled(program, name, case, arguments, work, card):
    """A video is cancelled, behind one that was made."""
    server = Server(program, os.path.join(work, name + "-serve"), options_of(case, arguments))
    try:
        warm_up, _ = served(server, argparse.Namespace(videos=0))
        cancel = cancelled(server, card)
    finally:
        code = server.stop()
    if code != 0:
        raise SystemExit(f"{name}: the server ended with exit code {code}")
    return {"name": name, "settings": case, "warm_up": warm_up, "step_s": statistics.median(warm_up["step_s"]), "cancel": cancel}


def measure(program, name, case, arguments, work, card):
    run, tool, device = measured_by_run(program, name, case, arguments, work)
    server = Server(program, os.path.join(work, name + "-serve"), options_of(case, arguments))
    try:
        warm_up, videos = served(server, arguments)
        cancel = cancelled(server, card)
    finally:
        code = server.stop()
    if code != 0:
        raise SystemExit(f"{name}: the server ended with exit code {code}")
    median = statistics.median(run["seconds"])
    step = statistics.median(second for video in videos for second in video["step_s"])
    return {"name": name, "settings": case, "tool": tool, "device": device, "run": run, "warm_up": warm_up, "served": videos, "step_s": step, "cancel": cancel,
            "served_stages": stages_of_a_video([(stage["name"], stage["seconds"]) for video in videos for stage in video["stages"]], len(videos)),
            "ratio": statistics.median(video["service_s"] for video in videos) / median,
            "inference_ratio": statistics.median(video["inference_time_s"] for video in videos) / median}


def spread(values):
    return f"{statistics.median(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


def faults_of(case, most):
    if case.get("ratio", 0) > most:
        yield f"{case['name']}: service takes {case['ratio']:.4f} times what run takes, at most {most}"
    freed = case["cancel"]["card_idle_s"]
    if freed is None:
        yield f"{case['name']}: when the card stood still is not known: {case['cancel']['card_idle_reason']}"
    elif freed > case["step_s"] + POWER_LAG:
        yield f"{case['name']}: the card works for {freed:.2f} s after a cancellation; a step takes {case['step_s']:.2f} s"


def lines_of(case):
    yield case["name"]
    if "ratio" in case:
        yield f"  run, warm            {spread(case['run']['seconds'])} s  {' '.join(case['run']['flags'])}"
        yield f"  served, to its event {spread([video['service_s'] for video in case['served']])} s = {case['ratio']:.4f} of run"
        yield f"  served, its worker   {spread([video['inference_time_s'] for video in case['served']])} s = {case['inference_ratio']:.4f} of run"
        for stage, seconds in case["served_stages"].items():
            yield f"    {stage:<20} run {case['run']['stages'].get(stage, 0):.3f} s, served {seconds:.3f} s"
    yield f"  a step               {case['step_s']:.3f} s"
    cancel = case["cancel"]
    freed = (f"{cancel['card_idle_s']:.3f} s ({cancel['busy_w']:.0f} W, then {cancel['idle_w']:.0f} W)" if cancel["card_idle_s"] is not None
             else f"– ({cancel['card_idle_reason']})")
    yield f"  cancelled            told after {cancel['told_s']:.3f} s, card idle after {freed}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("out")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--videos", type=int, default=3)
    parser.add_argument("--most", type=float, default=1.02)
    parser.add_argument("--cancel-only", action="store_true")
    arguments = parser.parse_args()
    arguments.device = "cpu" if arguments.small else "cuda"
    os.makedirs(arguments.out, exist_ok=True)
    work = tempfile.mkdtemp(prefix="wanbench-serving-")
    card = Card()
    begin = time.monotonic()
    cases, faults = [], []
    try:
        for name, case in (SMALL if arguments.small else MODELS).items():
            case = (only_cancelled if arguments.cancel_only else measure)(arguments.program, name, case, arguments, work, card)
            cases.append(case)
            print("\n".join(lines_of(case)), flush=True)
            faults += [] if arguments.small else faults_of(case, arguments.most)
    finally:
        card.stop()
        for log in glob.glob(os.path.join(work, "*.log")):
            shutil.copy(log, arguments.out)
        shutil.rmtree(work, ignore_errors=True)
    document = {"created_utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "wall_s": time.monotonic() - begin,
                "most_ratio": arguments.most, "cases": cases, "faults": faults}
    with open(os.path.join(arguments.out, "serving.json"), "w") as out:
        json.dump(document, out, indent=1)
    for fault in faults:
        print("FAULT", fault)
    print(f"{document['wall_s']:.0f} s in all")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
