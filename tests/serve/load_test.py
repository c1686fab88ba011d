#!/usr/bin/env python3
"""Many clients of `wanbench serve` at once, each on a connection of its own: orders of the smallest video, and reads between them. Every answer
must be 2xx, every video completed, and the server's own memory flat over the last half: while the requests come, and until the last
video is made. Pages of files that it has mapped (program, libraries, headers of the checkpoint) are not its own: the kernel takes them back when it
likes. Prints the seconds of a GET under load. A client is a bare socket: Python's http.client would take longer than the server does.

Usage: load_test.py BUILD_DIR [--clients 64] [--requests 5000] [--videos 500] [--flat 0.05]
Exits 1 on a fault. With Linux's /proc.
"""
import argparse
import json
import os
import random
import re
import shutil
import socket
import sys
import tempfile
import threading
import time

import serving


def memory_of(pid):
    """(its own, of mapped files) in bytes."""
    found = {}
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.startswith("Rss"):
                found[name] = int(value.split()[0]) * 1024
    return found["RssAnon"] + found["RssShmem"], found["RssFile"]


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=serving.WAITS)
        self.host = f"Host: 127.0.0.1:{port}\r\n"

    def ask(self, method, path, body=b""):
        """(status, body) of one request."""
        head = f"{method} {path} HTTP/1.1\r\n{self.host}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self.more()
        length = int(re.search(rb"\r\nContent-Length: (\d+)", data[:end]).group(1))
        while len(data) < end + 4 + length:
            data += self.more()
        return int(data[9:12]), data[end + 4:]

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the server ended a connection")
        return data


class Load:
    def __init__(self, server, arguments):
        self.server = server
        self.lock = threading.Lock()
        self.todo = ["order"] * arguments.videos + ["read"] * (arguments.requests - arguments.videos)
        random.Random(1).shuffle(self.todo)
        self.ids, self.seconds, self.faults, self.memory = [], [], [], []
        self.all = len(self.todo)

    def ask(self, connection, method, path, body=b""):
        begin = time.monotonic()
        status, data = connection.ask(method, path, body)
        taken = time.monotonic() - begin
        with self.lock:
            if not 200 <= status < 300:
                self.faults.append(f"{method} {path}: {status} {data[:200]}")
            if method == "GET":
                self.seconds.append(taken)
        return status, data

    def client(self, number):
        try:
            self.go_on(number)
        except Exception as problem:  # its thread ends: what it had taken is lost
            with self.lock:
                self.faults.append(f"client {number}: {problem!r}")

    def go_on(self, number):
        dice = random.Random(number)
        connection = Connection(self.server.port)
        while True:
            with self.lock:
                if not self.todo:
                    break
                what = self.todo.pop()
                known = dice.choice(self.ids) if self.ids else None
                if len(self.todo) % 50 == 0:
                    self.memory.append(memory_of(self.server.process.pid))
            if what == "order":
                status, data = self.ask(connection, "POST", "/v1/videos", json.dumps({"prompt": "a red star", **serving.SMALL, "seed": dice.randrange(1 << 30)}).encode())
                if status == 200:
                    with self.lock:
                        self.ids.append(json.loads(data)["id"])
            else:
                path = dice.choice(["/v1/videos?limit=5", "/health", "/metrics", "/v1/models", f"/v1/videos/{known}" if known else "/ready"])
                self.ask(connection, "GET", path)
        connection.socket.close()


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
        requests_memory, load.memory = load.memory, []
        for identifier in load.ids:
            document = server.wait_for(identifier, "completed", "failed")
            load.memory.append(memory_of(server.process.pid))
            if document["status"] != "completed":
                load.faults.append(f"{identifier}: {document['error']}")
        videos_s = time.monotonic() - begin
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)
    taken = sorted(load.seconds)
    at = lambda share: 1000 * taken[min(len(taken) - 1, int(share * len(taken)))]  # noqa: E731
    if len(load.ids) != arguments.videos:
        load.faults.append(f"{len(load.ids)} of {arguments.videos} orders were taken")
    print(f"{load.all} requests of {arguments.clients} clients in {requests_s:.1f} s, {len(load.ids)} videos in {videos_s:.1f} s; a GET under load: "
          f"median {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, longest {1000 * taken[-1]:.1f} ms")
    for name, readings in (("while requests came", requests_memory), ("until the last video", load.memory)):
        half = readings[len(readings) // 2:]
        if not half:
            continue
        own, files = [reading[0] for reading in half], [reading[1] for reading in half]
        print(f"memory of the server {name}, over the last half: its own {min(own) / 2**20:.2f} to {max(own) / 2**20:.2f} MiB, "
              f"of mapped files {min(files) / 2**20:.1f} to {max(files) / 2**20:.1f} MiB")
        if max(own) > (1 + arguments.flat) * min(own):
            load.faults.append(f"memory moves by {100 * (max(own) / min(own) - 1):.1f} % {name}")
    for fault in load.faults[:20]:
        print("FAULT", fault)
    return 1 if load.faults else 0


if __name__ == "__main__":
    sys.exit(main())
