#!/usr/bin/env python3
"""`wanbench serve` and clients that mean it harm, over a real socket: requests that are broken in each way known by name, with the status that they must
get; clients that are slow, silent or gone; and requests that were right before seeded changes were made to them. The server must end each
connection by itself, answer nothing with 500, and make a video at the end, in as much memory as before.

Usage: hostility_test.py BUILD_DIR [--requests 20000] [--seed 1]
Exits 1 on a fault. With Linux's /proc.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import time

import serving

CLIENTS = 16
MOST_GROWTH = 64 << 20  # bytes: what a body may have, and what the allocator keeps
ORDER = json.dumps({"prompt": "a red star", **serving.SMALL}).encode()


class Client:
    def __init__(self, port):
        self.port = port
        self.host = f"Host: 127.0.0.1:{port}\r\n".encode()

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=serving.WAITS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, data, half_close=True):
        """All that the server says until it ends the connection."""
        with self.connect() as connection:
            try:
                connection.sendall(data)
                if half_close:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused in the middle: what it said is read all the same
            return received(connection)

    def request(self, line, headers=b"", body=b""):
        return line + b" HTTP/1.1\r\n" + self.host + headers + b"\r\n" + body


def received(connection):
    data = b""
    try:
        while piece := connection.recv(1 << 16):
            data += piece
    except ConnectionResetError:
        pass
    return data


def status_of(answer):
    """0: none."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") and answer[9:12].isdigit() else 0


# ---- broken in ways that have a name

def broken(client):
    """name -> (bytes, status; 0: the connection ends without an answer)"""
    post = lambda headers, body=b"": client.request(b"POST /v1/videos", b"Content-Type: application/json\r\n" + headers, body)  # noqa: E731
    return {
        "no request at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n", 400),
        "HTTP/0.9": (b"GET /\r\n\r\n", 400),
        "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        "no Host": (b"GET /v1/videos HTTP/1.1\r\n\r\n", 403),
        "two Hosts": (client.request(b"GET /health", b"Host: other\r\n"), 400),
        "an absolute target": (client.request(b"GET http://127.0.0.1/health"), 400),
        "a NUL in a header": (client.request(b"GET /health", b"X: a\0b\r\n"), 400),
        "a control character in the target": (client.request(b"GET /hea\x01lth"), 400),
        "a header without a name": (client.request(b"GET /health", b": x\r\n"), 400),
        "a header without a colon": (client.request(b"GET /health", b"nothing\r\n"), 400),
        "a space before the colon": (client.request(b"GET /health", b"X : y\r\n"), 400),
        "an unknown method": (client.request(b"BREW /v1/videos"), 405),
        "a long target": (client.request(b"GET /" + b"x" * 20000), 431),
        "a long header": (client.request(b"GET /health", b"X: " + b"x" * 20000 + b"\r\n"), 431),
        "too many headers": (client.request(b"GET /health", b"".join(b"X-%d: y\r\n" % i for i in range(5000))), 431),
        "a target that climbs": (client.request(b"GET /v1/videos/../../../etc/passwd/content"), 404),
        "the same, encoded": (client.request(b"GET /v1/videos/%2e%2e%2f%2e%2e%2fetc%2fpasswd/content"), 404),
        "two lengths": (post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abc"), 400),
        "a negative length": (post(b"Content-Length: -1\r\n"), 400),
        "a length with a sign": (post(b"Content-Length: +3\r\n", b"abc"), 400),
        "a length that is none": (post(b"Content-Length: 0x10\r\n"), 400),
        "a length beyond 64 bits": (post(b"Content-Length: 99999999999999999999\r\n"), 400),
        "a length beyond what is taken": (post(b"Content-Length: 1099511627776\r\n"), 413),
        "a length and chunks": (post(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
        "chunks that are none": (post(b"Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n0\r\n\r\n"), 400),
        "a chunk without its end": (post(b"Transfer-Encoding: chunked\r\n", b"3\r\nabcdef\r\n0\r\n\r\n"), 400),
        "a chunk beyond what is taken": (post(b"Transfer-Encoding: chunked\r\n", b"fffffff0\r\n" + b"x" * 4096), 413),
        "a chunk's length beyond 64 bits": (post(b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\n"), 400),
        "an unknown expectation": (post(b"Expect: wonders\r\nContent-Length: 3\r\n", b"abc"), 417),
        "an unknown type": (client.request(b"POST /v1/videos", b"Content-Type: a/b\r\nContent-Length: 3\r\n", b"abc"), 415),
        "JSON that nests": (post(b"Content-Length: 40000\r\n", b"[" * 40000), 400),
        "a form without its edge": (client.request(b"POST /v1/videos", b"Content-Type: multipart/form-data\r\nContent-Length: 3\r\n", b"abc"), 400),
        "half a head": (b"GET /health HTTP/1.1\r\nHo", 0),
        "half a body": (post(b"Content-Length: 1000\r\n", b"{"), 0),
        "half a chunk": (post(b"Transfer-Encoding: chunked\r\n", b"10\r\n{"), 0),
        "nothing": (b"", 0),
    }


def check_broken(client, faults):
    for name, (data, status) in broken(client).items():
        found = status_of(client.ask(data))
        if found != status:
            faults.append(f"{name}: expected {status or 'no answer'}, found {found or 'no answer'}")
    # The answer to a request does not wait for the end of the connection.
    for name in ("two lengths", "a long header", "chunks that are none", "a length beyond what is taken"):
        data, status = broken(client)[name]
        if status_of(client.ask(data, half_close=False)) != status:
            faults.append(f"{name}, and the connection stays open: not answered with {status}")


def check_slow(client, faults):
    """A byte now and then, silence, and a body without end: each ends by the server, which answers others meanwhile."""
    def drip(begin):
        with client.connect() as connection:
            try:
                connection.sendall(begin)
                for _ in range(int(serving.WAITS / 0.1)):
                    connection.sendall(b"x")
                    time.sleep(0.1)
            except TimeoutError:  # it reads no more, and ends nothing
                return False
            except OSError:
                return True
        return False

    def silent(begin):
        with client.connect() as connection:
            connection.sendall(begin)
            received(connection)  # raises when the server does not end it in time
        return True

    def flood(headers):
        with client.connect() as connection:
            try:
                connection.sendall(client.request(b"POST /v1/videos", headers))
                for _ in range(4096):  # 1 GiB
                    connection.sendall(b"40000\r\n" + b"x" * 0x40000 + b"\r\n")
            except TimeoutError:
                return False
            except OSError:
                return True
        return False

    post = b"POST /v1/videos HTTP/1.1\r\n" + client.host + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    cases = {"a head, byte by byte": (drip, b"GET / HTTP/1.1\r\nX: "), "a body, byte by byte": (drip, post), "silence": (silent, b""),
             "silence after a head": (silent, post), "silence in a chunk": (silent, post.replace(b"Content-Length: 1000", b"Transfer-Encoding: chunked") + b"ff\r\n"),
             "chunks without end": (flood, b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")}
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        running = {name: pool.submit(call, begin) for name, (call, begin) in cases.items()}
        if status_of(client.ask(client.request(b"GET /health"))) != 200:
            faults.append("a slow client keeps others waiting")
        for name, future in running.items():
            try:
                if not future.result():
                    faults.append(f"{name}: the server lets it go on")
            except OSError as problem:
                faults.append(f"{name}: {problem}")


def check_many(client, faults):
    """More connections than there may be: those beyond are told so, and the server is there again when they end."""
    held = [client.connect() for _ in range(300)]
    answers = [status_of(received(connection)) for connection in held[256:]]
    if 503 not in answers:
        faults.append(f"of 300 connections none was refused: {collections.Counter(answers)}")
    for connection in held:
        connection.close()
    deadline = time.monotonic() + serving.WAITS
    while status_of(client.ask(client.request(b"GET /health"))) != 200:
        if time.monotonic() > deadline:
            faults.append("after 300 connections the server is not there again")
            return
        time.sleep(0.05)


# ---- right before they were changed

def right(client, known):
    body, kind = serving.form({"prompt": "a red star", **serving.SMALL}, {"input_reference": serving.PIXEL})
    length = b"Content-Length: %d\r\n"
    json_type = b"Content-Type: application/json\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (ORDER[:10], ORDER[10:])) + b"0\r\n\r\n"
    picture = json.dumps({"prompt": "x", "input_reference": "data:image/png;base64,iVBORw0KGgo="}).encode()
    video = b"/v1/videos/" + known.encode()
    return [
        client.request(b"POST /v1/videos", json_type + length % len(ORDER), ORDER),
        client.request(b"POST /v1/videos", json_type + b"Idempotency-Key: k\r\n" + length % len(ORDER), ORDER),
        client.request(b"POST /v1/videos", json_type + length % len(picture), picture),
        client.request(b"POST /v1/videos", b"Content-Type: " + kind.encode() + b"\r\n" + length % len(body), body),
        client.request(b"POST /v1/videos", json_type + b"Transfer-Encoding: chunked\r\n", chunks),
        client.request(b"GET /v1/videos?limit=3&order=asc&after=" + known.encode()),
        client.request(b"GET " + video),
        client.request(b"GET " + video + b"/content?variant=poster", b"Range: bytes=0-99\r\nIf-Range: \"x\"\r\n"),
        client.request(b"HEAD " + video + b"/content", b"Range: bytes=-5\r\n"),
        client.request(b"GET " + video + b"/events", b"Accept: text/event-stream\r\n"),
        client.request(b"POST " + video + b"/cancel", length % 0),
        client.request(b"DELETE /v1/videos/video_" + b"0" * 32),
        client.request(b"GET /metrics", b"Connection: keep-alive\r\n") + client.request(b"GET /ready"),
        client.request(b"GET /v1/models/none%20at%20all", b"Origin: http://evil.example\r\nAuthorization: Bearer x\r\n"),
    ]


WORDS = [b"\r\n", b"\0", b"\xff\xfe", b"%", b"%00", b"..", b"chunked", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n",
         b"18446744073709551616", b"-1", b"1e999", b"null", b"[[[[", b"\\ud800", b"\"", b"{", b"--wanbench-edge", b"HTTP/1.1", b"Host: x\r\n", b"bytes=0-0,5-6"]


def changed(data, dice):
    data = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.choice((1, 1, 2, 5, 30, 300)))
        how = dice.randrange(7)
        if how == 0 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif how == 1:
            del data[at:end]
        elif how == 2:
            data[at:at] = dice.choice(WORDS)
        elif how == 3:
            data[at:at] = data[at:end] * dice.choice((1, 2, 50))
        elif how == 4:
            data[at:end] = bytes(dice.randrange(256) for _ in range(end - at))
        elif how == 5:
            del data[at:]
        else:
            lines = bytes(data).split(b"\r\n")
            first, second = dice.randrange(len(lines)), dice.randrange(len(lines))
            lines[first], lines[second] = lines[second], lines[first]
            data = bytearray(b"\r\n".join(lines))
        if not data:
            return b""
    return bytes(data)


def check_changed(client, known, requests, seed, faults):
    """Status -> how often."""
    seeds = right(client, known)
    seen, lock, todo = collections.Counter(), threading.Lock(), iter(range(requests))

    def work():
        while True:
            with lock:
                index = next(todo, None)
            if index is None or len(faults) > 20:
                return
            dice = random.Random(f"{seed}-{index}")
            data = changed(dice.choice(seeds), dice)
            try:
                answer = client.ask(data)
            except OSError as problem:
                faults.append(f"request {index} of seed {seed}: {problem}: {data[:300]!r}")
                continue
            status = status_of(answer)
            with lock:
                seen[status] += 1
            if status == 500 or (answer and not status):
                faults.append(f"request {index} of seed {seed}: {answer[:60]!r} to {data[:300]!r}")

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def memory_of(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--requests", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    root = tempfile.mkdtemp(prefix="wanbench-serve-hostility-")
    server = serving.Server(arguments.build, os.path.join(root, "o"), "--queue", "4", "--request-seconds", "1", "--most-image", "1", "--most-side", "32",
                            "--most-frames", "5", "--most-steps", "1")
    client, faults = Client(server.port), []
    try:
        known = server.order()[2]["id"]
        server.wait_for(known, "completed")
        check_broken(client, faults)
        check_slow(client, faults)
        check_many(client, faults)
        before = memory_of(server.process.pid)
        begin = time.monotonic()
        seen = check_changed(client, known, arguments.requests, arguments.seed, faults)
        print(f"{sum(seen.values())} changed requests in {time.monotonic() - begin:.0f} s: " +
              ", ".join(f"{count} {status or 'without an answer'}" for status, count in sorted(seen.items())))
        if server.process.poll() is not None:
            faults.append(f"the server ended: {server.process.returncode}")
        else:
            after = memory_of(server.process.pid)
            print(f"memory of the server: {before / 2**20:.1f} MiB before, {after / 2**20:.1f} after")
            if after > before + MOST_GROWTH:
                faults.append("the server keeps memory of what it was sent")
            status, _, video = server.order()
            while status == 429:
                time.sleep(0.2)
                status, _, video = server.order()
            if server.wait_for(video["id"], "completed", "failed")["status"] != "completed":
                faults.append("no video is made afterwards")
    finally:
        code = server.stop()
        with open(os.path.join(root, "server.log"), "rb") as log:
            faults += [f"log: {line.decode(errors='replace')}" for line in log if b"was not answered" in line or b"\x1b" in line]
        shutil.rmtree(root, ignore_errors=True)
    if code != 0:
        faults.append(f"the server ended with exit code {code}")
    for fault in faults[:30]:
        print("FAULT", fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
