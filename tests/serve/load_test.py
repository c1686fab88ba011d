#!/usr/bin/env python3
"""Many clients of `wanbench serve` at once, each on a connection of its own: orders of the smallest video, and reads between them. Every answer
must be 2xx, every video completed, and the server's memory flat over the last half. Prints the seconds of a GET under load.

Usage: load_test.py BUILD_DIR [--clients 64] [--requests 5000] [--videos 500] [--flat 0.05]
Exits 1 on a fault. With Linux's /proc.
"""
import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time

import serving


def memory_of(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


class Load:
    def __init__(self, server, arguments):
        self.server = server
        self.lock = threading.Lock()
        self.todo = ["order"] * arguments.videos + ["read"] * (arguments.requests - arguments.videos)
        random.Random(1).shuffle(self.todo)
        self.ids, self.seconds, self.faults, self.memory = [], [], [], []
        self.all = len(self.todo)

    def ask(self, connection, method, path, body=None):
        begin = time.monotonic()
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        data = answer.read()
        taken = time.monotonic() - begin
        with self.lock:
            if not 200 <= answer.status < 300:
                self.faults.append(f"{method} {path}: {answer.status} {data[:200]}")
            if method == "GET":
                self.seconds.append(taken)
        return answer.status, data

    def client(self, number):
        dice = random.Random(number)
        connection = self.server.connect()
        while True:
            with self.lock:
                if not self.todo:
                    break
                what = self.todo.pop()
                known = dice.choice(self.ids) if self.ids else None
                if len(self.todo) % 50 == 0:
                    self.memory.append(memory_of(self.server.process.pid))
            if what == "order":
                status, data = self.ask(connection, "POST", "/v1/videos", json.dumps({"prompt": "a red star", **serving.SMALL, "seed": dice.randrange(1 << 30)}))
                if status == 200:
                    with self.lock:
                        self.ids.append(json.loads(data)["id"])
            else:
                path = dice.choice(["/v1/videos?limit=5", "/health", "/metrics", "/v1/models", f"/v1/videos/{known}" if known else "/ready"])
                self.ask(connection, "GET", path)
        connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--videos", type=int, default=500)
    parser.add_argument("--flat", type=float, default=0.05)
    arguments = parser.parse_args()
    root = tempfile.mkdtemp(prefix="wanbench-serve-load-")
    server = serving.Server(arguments.build, os.path.join(root, "o"), "--queue", str(arguments.videos + 64))
    while server.get("/ready")[0] != 200:  # its worker has started
        time.sleep(0.05)
    load = Load(server, arguments)
    try:
        begin = time.monotonic()
        threads = [threading.Thread(target=load.client, args=(number,)) for number in range(arguments.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        requests_s = time.monotonic() - begin
        for identifier in load.ids:
            document = server.wait_for(identifier, "completed", "failed")
            if document["status"] != "completed":
                load.faults.append(f"{identifier}: {document['error']}")
        videos_s = time.monotonic() - begin
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)
    taken = sorted(load.seconds)
    at = lambda share: 1000 * taken[min(len(taken) - 1, int(share * len(taken)))]  # noqa: E731
    print(f"{load.all} requests of {arguments.clients} clients in {requests_s:.1f} s, {len(load.ids)} videos in {videos_s:.1f} s; a GET under load: "
          f"median {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, longest {1000 * taken[-1]:.1f} ms")
    half = load.memory[len(load.memory) // 2:]
    if half:
        growth = max(half) / min(half) - 1
        print(f"memory of the server over the last half: {min(half) / 2**20:.1f} to {max(half) / 2**20:.1f} MiB")
        if growth > arguments.flat:
            load.faults.append(f"memory moves by {100 * growth:.1f} %")
    for fault in load.faults[:20]:
        print("FAULT", fault)
    return 1 if load.faults else 0


if __name__ == "__main__":
    sys.exit(main())
