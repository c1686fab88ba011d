#!/usr/bin/env python3
"""SIGKILLs of `wanbench serve` or its worker at any moment under load, and what must hold in the end: every order that was answered is
there, once; each has one result; none is stuck; nothing is left on the disk that belongs to nobody.

Usage: serve_kill_test.py BUILD_DIR [--kills N] [--seconds S] [--seed N]
Ends after N kills (200) or S seconds, prints the counts, exits 1 on a fault.
"""
import argparse
import http.client
import os
import random
import shutil
import sys
import tempfile
import time

import serving

QUEUE = 12


class Fault(Exception):
    pass


class Round:
    def __init__(self, server, dice):
        self.server, self.dice = server, dice
        self.orders = {}  # key -> (seed, id or None where no answer came)
        self.kills = {"server": 0, "worker": 0}
        self.answers = 0

    def order(self):
        """One order; an answer that did not come is asked for again with its key later."""
        key = f"k{len(self.orders)}"
        self.orders[key] = (self.dice.randrange(1 << 30), None)
        self.send(key)

    def send(self, key):
        seed, known = self.orders[key]
        try:
            status, _, document = self.server.order({"Idempotency-Key": key}, seed=seed)
        except (OSError, http.client.HTTPException):
            return
        if status == 429:
            return
        if status != 200:
            raise Fault(f"{key}: {status} {document}")
        self.answers += 1
        if known is not None and known != document["id"]:
            raise Fault(f"{key}: two jobs, {known} and {document['id']}")
        self.orders[key] = (seed, document["id"])

    def kill(self):
        if self.dice.random() < 0.5:
            self.server.kill()
            self.kills["server"] += 1
            self.server.start()
            return
        workers = self.server.workers()
        if workers:
            try:
                os.kill(workers[0], 9)
            except ProcessLookupError:
                return
            self.kills["worker"] += 1

    def finish(self):
        """Until nothing is under way any more."""
        deadline = time.monotonic() + 600
        for key in self.orders:
            while self.orders[key][1] is None:
                self.send(key)  # the queue takes it once there is room
                if time.monotonic() > deadline:
                    raise Fault(f"{key} is not taken in")
                time.sleep(0.2)
        while True:
            _, page = self.server.get("/v1/videos?limit=100")
            open_ones = [video for video in page["data"] if video["status"] in ("queued", "in_progress")]
            if not open_ones and self.everything_is_over():
                return
            if time.monotonic() > deadline:
                raise Fault(f"stuck: {open_ones}")
            time.sleep(0.05)

    def everything_is_over(self):
        _, _, data = self.server.ask("GET", "/metrics")
        lines = data.decode().splitlines()
        return all(f'wanbench_videos{{status="{state}"}} 0' in lines for state in ("queued", "in_progress"))

    def look(self):
        counts = {"completed": 0, "failed": 0}
        listed = []
        after = ""
        while True:
            _, page = self.server.get("/v1/videos?limit=100&order=asc" + (f"&after={after}" if after else ""))
            listed += page["data"]
            if not page["has_more"]:
                break
            after = page["last_id"]
        ids = [video["id"] for video in listed]
        if sorted(ids) != sorted(identifier for _, identifier in self.orders.values()):
            raise Fault(f"{len(ids)} jobs are there, {len(self.orders)} were ordered")
        for key, (seed, identifier) in self.orders.items():
            _, video = self.server.get(f"/v1/videos/{identifier}")
            counts[video["status"]] = counts.get(video["status"], 0) + 1
            if video["seed"] != seed:
                raise Fault(f"{key}: seed {video['seed']}, ordered {seed}")
            status, _, data = self.server.ask("GET", f"/v1/videos/{identifier}/content")
            if video["status"] == "completed" and (status != 200 or data[4:8] != b"ftyp" or data.find(b"moov") < 0):
                raise Fault(f"{identifier} is completed and its video is not there: {status}")
            if video["status"] == "failed" and (video["error"]["code"] != "worker_killed" or video["attempts"] != 2):
                raise Fault(f"{identifier} failed: {video['error']} after {video['attempts']} attempts")
        if set(counts) - {"completed", "failed"}:
            raise Fault(f"states {counts}")
        allowed = {f"{video['id']}{end}" for video in listed if video["status"] == "completed" for end in (".mp4", ".poster.png", ".last.png")}
        found = set(os.listdir(os.path.join(self.server.folder, "videos")))
        if found != allowed:
            raise Fault(f"files: {sorted(found ^ allowed)}")
        return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    root = tempfile.mkdtemp(prefix="wanbench-serve-kill-")
    end = time.monotonic() + arguments.seconds
    dice = random.Random(arguments.seed)
    server = serving.Server(arguments.build, os.path.join(root, "o"), "--queue", str(QUEUE))
    one = Round(server, dice)
    fault = None
    try:
        while sum(one.kills.values()) < arguments.kills and time.monotonic() < end:
            for _ in range(dice.randrange(4)):
                one.order()
            time.sleep(dice.uniform(0, 0.6))
            one.kill()
        one.finish()
        server.stop()  # its start removes what a killed worker left
        server.start()
        counts = one.look()
        print(f"{one.kills['server']} kills of the server, {one.kills['worker']} of the worker; {len(one.orders)} orders: "
              f"{counts['completed']} completed, {counts['failed']} failed after two killed attempts")
    except (Fault, RuntimeError) as problem:
        fault = problem
    finally:
        server.kill()
        with open(os.path.join(root, "server.log"), errors="replace") as log:
            tail = log.read()[-3000:]
        shutil.rmtree(root, ignore_errors=True)
    if fault:
        print(f"FAULT after {one.kills}: {fault}\n{tail}")
    return 1 if fault else 0


if __name__ == "__main__":
    sys.exit(main())
