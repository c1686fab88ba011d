"""A running `wanbench serve` with the small model, for the tests of this folder: Python's standard client alone."""
import base64
import http.client
import json
import os
import subprocess
import time

SMALL = {"size": "32x32", "num_frames": 5, "num_inference_steps": 1, "seed": 7}
# A PNG of one pixel.
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
WAITS = 120.0  # seconds: a bound that only a fault reaches


class Server:
    """Starts in `folder`, on a port that is free."""

    def __init__(self, build, folder, *options):
        self.program = os.path.join(os.path.abspath(build), "wanbench")
        self.folder, self.options = folder, options
        self.process = None
        self.start()

    def start(self):
        self.log = open(os.path.join(os.path.dirname(self.folder), "server.log"), "ab")
        self.process = subprocess.Popen([self.program, "serve", "--output", self.folder, "--port", "0", "--device", "cpu", *self.options],
                                        stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        if " is served at http://" not in line:
            raise RuntimeError(f"the server did not start: {line!r}, exit code {self.process.wait()}")
        self.port = int(line.rsplit(":", 1)[1].strip("/\n"))

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=WAITS)
        self.close()
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.close()

    def close(self):
        self.process.stdout.close()
        self.log.close()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAITS)

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, bytes) of one request on a connection of its own."""
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path, **headers):
        status, _, data = self.ask("GET", path, None, headers)
        return status, json.loads(data)

    def order(self, headers=None, **fields):
        body = json.dumps({"prompt": "a video of a red star that moves up on a dark background", **SMALL, **fields})
        status, answered, data = self.ask("POST", "/v1/videos", body, {"Content-Type": "application/json", **(headers or {})})
        return status, answered, json.loads(data)

    def wait_for(self, video, *states):
        deadline = time.monotonic() + WAITS
        while time.monotonic() < deadline:
            _, document = self.get(f"/v1/videos/{video}")
            if document.get("status") in states:
                return document
            time.sleep(0.02)
        raise RuntimeError(f"{video} is not {states} within {WAITS} s: {document}")

    def children(self):
        found = []
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            try:
                with open(f"/proc/{self.process.pid}/task/{task}/children") as file:
                    found += [int(word) for word in file.read().split()]
            except OSError:
                pass
        return found

    def workers(self):
        found = []
        for child in self.children():
            try:
                with open(f"/proc/{child}/cmdline", "rb") as file:
                    if b"serve-worker" in file.read():
                        found.append(child)
            except OSError:
                pass
        return found


def form(fields, files):
    """(body, Content-Type) of a form."""
    edge = "wanbench-edge"
    parts = [f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    parts += [f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="f"\r\nContent-Type: image/png\r\n\r\n'.encode() + data + b"\r\n"
              for name, data in files.items()]
    return b"".join(parts) + f"--{edge}--\r\n".encode(), f"multipart/form-data; boundary={edge}"
