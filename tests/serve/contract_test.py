#!/usr/bin/env python3
"""The API of `wanbench serve` over plain HTTP with the small model: each route and each refusal, by Python's standard client and by curl.

Usage: contract_test.py BUILD_DIR
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

import serving

BUILD = ""


class Contract(unittest.TestCase):
    OPTIONS = ("--queue", "3", "--most-frames", "121")

    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="wanbench-serve-")
        cls.server = serving.Server(BUILD, os.path.join(cls.root, "o"), *cls.OPTIONS)

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        shutil.rmtree(cls.root, ignore_errors=True)
        assert code == 0, f"the server ended with {code}"

    def made(self, **fields):
        status, _, video = self.server.order(**fields)
        self.assertEqual(status, 200, video)
        return self.server.wait_for(video["id"], "completed")

    def refused(self, status, code, method, path, body=None, headers=None):
        found, answered, data = self.server.ask(method, path, body, headers)
        document = json.loads(data)
        self.assertEqual((found, document["error"]["code"]), (status, code), document)
        self.assertTrue(document["error"]["message"])
        return document["error"], answered


class Videos(Contract):
    def test_a_video_from_order_to_bytes(self):
        status, headers, video = self.server.order()
        self.assertEqual(status, 200)
        self.assertEqual(headers["Location"], f"/v1/videos/{video['id']}")
        self.assertEqual((video["object"], video["progress"], video["error"]), ("video", 0, None))
        self.assertIn(video["status"], ("queued", "in_progress"))
        done = self.server.wait_for(video["id"], "completed")
        self.assertEqual((done["progress"], done["size"], done["num_frames"], done["seed"]), (100, "32x32", 5, 7))
        self.assertEqual(len(done["step_seconds"]), 1)
        self.assertGreater(done["inference_time_s"], 0)
        self.assertGreater(done["peak_memory_mb"], 0)
        self.assertEqual(done["repeat_command"], f"wanbench repeat {video['id']}.mp4")
        status, headers, data = self.server.ask("GET", f"/v1/videos/{video['id']}/content")
        self.assertEqual((status, headers["Content-Type"], int(headers["Content-Length"])), (200, "video/mp4", len(data)))
        self.assertEqual(data[4:8], b"ftyp")
        with open(os.path.join(self.root, video["id"] + ".mp4"), "wb") as file:
            file.write(data)
        repeated = subprocess.run([self.server.program, "repeat", file.name], capture_output=True, check=False)
        self.assertEqual(repeated.returncode, 0, repeated.stderr.decode())
        for variant in ("poster", "last_frame"):
            status, headers, data = self.server.ask("GET", f"/v1/videos/{video['id']}/content?variant={variant}")
            self.assertEqual((status, headers["Content-Type"], data[:4]), (200, "image/png", b"\x89PNG"))

    def test_ranges(self):
        path = f"/v1/videos/{self.made()['id']}/content"
        _, headers, whole = self.server.ask("GET", path)
        self.assertEqual(headers["Accept-Ranges"], "bytes")
        status, headers, part = self.server.ask("GET", path, None, {"Range": "bytes=10-19"})
        self.assertEqual((status, headers["Content-Range"], part), (206, f"bytes 10-19/{len(whole)}", whole[10:20]))
        status, _, part = self.server.ask("GET", path, None, {"Range": "bytes=-7", "If-Range": headers["ETag"]})
        self.assertEqual((status, part), (206, whole[-7:]))
        status, _, part = self.server.ask("GET", path, None, {"Range": "bytes=0-1", "If-Range": '"other"'})
        self.assertEqual((status, part), (200, whole))
        _, answered = self.refused(416, "range_not_satisfiable", "GET", path, None, {"Range": f"bytes={len(whole)}-"})
        self.assertEqual(answered["Content-Range"], f"bytes */{len(whole)}")
        status, headers, data = self.server.ask("HEAD", path)
        self.assertEqual((status, int(headers["Content-Length"]), data), (200, len(whole), b""))

    def test_a_form_with_a_picture(self):
        body, kind = serving.form({"prompt": "a video of a green ring", **serving.SMALL}, {"input_reference": serving.PIXEL})
        status, _, data = self.server.ask("POST", "/v1/videos", body, {"Content-Type": kind})
        self.assertEqual(status, 200, data)
        done = self.server.wait_for(json.loads(data)["id"], "completed", "failed")
        self.assertEqual((done["status"], done["has_first_frame"]), ("completed", True), done)

    def test_a_broken_picture_fails_its_job_alone(self):
        body, kind = serving.form({"prompt": "x", **serving.SMALL}, {"input_reference": serving.PIXEL[:40]})
        _, _, data = self.server.ask("POST", "/v1/videos", body, {"Content-Type": kind})
        done = self.server.wait_for(json.loads(data)["id"], "failed")
        self.assertEqual(done["error"]["code"], "invalid_request")
        self.refused(409, "video_is_not_there", "GET", f"/v1/videos/{done['id']}/content")
        self.made()

    def test_lists(self):
        ids = [self.made()["id"] for _ in range(3)]
        status, page = self.server.get("/v1/videos?limit=2")
        self.assertEqual((status, page["object"], page["has_more"]), (200, "list", True))
        self.assertEqual([video["id"] for video in page["data"]], ids[:0:-1])
        _, page = self.server.get(f"/v1/videos?limit=1&after={ids[1]}")
        self.assertEqual([video["id"] for video in page["data"]], [ids[0]])
        _, page = self.server.get(f"/v1/videos?order=asc&after={ids[0]}")
        self.assertEqual([video["id"] for video in page["data"]], ids[1:])
        self.refused(400, "invalid_value", "GET", "/v1/videos?limit=0")
        self.refused(400, "invalid_value", "GET", "/v1/videos?order=up")
        self.refused(400, "unknown_field", "GET", "/v1/videos?page=2")
        self.refused(404, "video_not_found", "GET", "/v1/videos?after=video_0")

    def test_cancel_and_delete(self):
        _, _, slow = self.server.order(num_inference_steps=200, size="128x96")
        _, _, queued = self.server.order()
        self.assertEqual(self.server.get(f"/v1/videos/{queued['id']}")[1]["queue_position"], 1)
        self.refused(409, "video_not_ready", "GET", f"/v1/videos/{queued['id']}/content")
        status, _, data = self.server.ask("POST", f"/v1/videos/{queued['id']}/cancel")
        self.assertEqual((status, json.loads(data)["status"]), (200, "cancelled"))
        self.server.wait_for(slow["id"], "in_progress")
        self.assertEqual(self.server.ask("POST", f"/v1/videos/{slow['id']}/cancel")[0], 200)
        cancelled = self.server.wait_for(slow["id"], "cancelled")
        self.assertLess(len(cancelled.get("step_seconds", [])), 200)
        status, _, data = self.server.ask("DELETE", f"/v1/videos/{slow['id']}")
        self.assertEqual((status, json.loads(data)), (200, {"id": slow["id"], "object": "video.deleted", "deleted": True}))
        self.refused(404, "video_not_found", "GET", f"/v1/videos/{slow['id']}")
        self.refused(404, "video_not_found", "DELETE", f"/v1/videos/{slow['id']}")
        done = self.made()
        self.refused(409, "video_is_over", "POST", f"/v1/videos/{done['id']}/cancel")
        self.assertEqual(self.server.ask("DELETE", f"/v1/videos/{done['id']}")[0], 200)
        self.assertEqual([name for name in os.listdir(os.path.join(self.server.folder, "videos")) if name.startswith(done["id"])], [])

    def test_one_key_is_one_video(self):
        key = {"Idempotency-Key": "k1"}
        _, _, first = self.server.order(key)
        status, headers, again = self.server.order(key)
        self.assertEqual((status, headers["Idempotent-Replayed"], again["id"]), (200, "true", first["id"]))
        status, _, document = self.server.order(key, seed=8)
        self.assertEqual((status, document["error"]["code"]), (409, "idempotency_key_reused"))
        self.server.wait_for(first["id"], "completed")
        self.server.ask("DELETE", f"/v1/videos/{first['id']}")
        self.assertEqual(self.server.order(key)[0], 410)
        self.assertEqual(self.server.order({"Idempotency-Key": "x" * 257})[0], 400)

    def test_a_full_queue(self):
        _, _, slow = self.server.order(num_inference_steps=200, size="128x96")
        self.server.wait_for(slow["id"], "in_progress")
        queued = [self.server.order() for _ in range(3)]
        status, headers, document = self.server.order()
        self.assertEqual((status, document["error"]["code"]), (429, "queue_full"))
        self.assertGreater(int(headers["Retry-After"]), 0)
        for _, _, video in queued + [(0, 0, slow)]:
            self.server.ask("POST", f"/v1/videos/{video['id']}/cancel")
        self.server.wait_for(slow["id"], "cancelled")

    def test_events(self):
        _, _, video = self.server.order(num_inference_steps=3)
        connection = self.server.connect()
        connection.request("GET", f"/v1/videos/{video['id']}/events")
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/event-stream"))
        events = [event.split("\n") for event in answer.read().decode().split("\n\n") if event.startswith("event: ")]
        connection.close()
        documents = [json.loads(lines[1][6:]) for lines in events]
        self.assertEqual(events[-1][0], "event: done")
        self.assertEqual(documents[-1]["status"], "completed")
        self.assertTrue(all(lines[0] == "event: progress" for lines in events[:-1]))
        self.assertTrue(any(document["step"] for document in documents))
        self.refused(404, "video_not_found", "GET", "/v1/videos/video_0/events")

    def test_a_preview(self):
        _, _, video = self.server.order(num_inference_steps=60, size="128x96")
        path = f"/v1/videos/{video['id']}/preview"
        document = video
        while document["preview_step"] is None and document["status"] in ("queued", "in_progress"):
            document = self.server.get(f"/v1/videos/{video['id']}")[1]
        self.assertEqual(document["status"], "in_progress", document)
        status, headers, picture = self.server.ask("GET", path)
        self.assertEqual((status, headers["Content-Type"], picture[:8]), (200, "image/png", b"\x89PNG\r\n\x1a\n"))
        self.assertLess(len(picture), 1 << 20)
        self.server.ask("POST", f"/v1/videos/{video['id']}/cancel")
        self.server.wait_for(video["id"], "cancelled")
        self.refused(404, "no_preview", "GET", path)
        self.refused(404, "video_not_found", "GET", "/v1/videos/video_0/preview")

    def test_what_the_engine_would_refuse_is_refused_at_once(self):
        status, _, document = self.server.order(num_frames=6)
        self.assertEqual((status, document["error"]["code"]), (400, "invalid_request"), document)
        status, _, document = self.server.order(num_frames=125)
        self.assertEqual((status, document["error"]["param"]), (400, "num_frames"))
        self.assertIn("from 1 to 121", document["error"]["message"])

    def test_nothing_of_a_prompt_is_read_or_run(self):
        prompt = "<script>alert(1)</script>\"'\\ \u2028 ../../etc/passwd $(id) \x1b[31m"
        done = self.made(prompt=prompt)
        self.assertEqual(done["prompt"], prompt)
        with open(os.path.join(self.root, "server.log"), "rb") as log:
            self.assertNotIn(b"\x1b", log.read())


class Others(Contract):
    def test_models(self):
        status, models = self.server.get("/v1/models")
        model = models["data"][0]
        self.assertEqual((status, models["object"], model["object"]), (200, "list", "model"))
        self.assertEqual((model["size"], model["num_frames"], model["takes_input_reference"]), ("128x96", 17, "optional"))
        self.assertEqual(self.server.get("/v1/models/" + model["id"])[1], model)
        self.refused(404, "model_not_found", "GET", "/v1/models/none")
        status, _, document = self.server.order(model="none")
        self.assertEqual((status, document["error"]["code"]), (404, "model_not_found"))

    def test_health_ready_and_metrics(self):
        self.made()
        self.assertEqual(self.server.get("/health"), (200, {"status": "ok"}))
        self.assertEqual(self.server.get("/ready")[1]["status"], "ready")
        status, headers, data = self.server.ask("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        names = set()
        for line in data.decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                float(value)
                names.add(name.split("{")[0])
        self.assertLessEqual({"wanbench_videos", "wanbench_steps_total", "wanbench_service_seconds_total", "wanbench_memory_bytes"}, names)

    def test_the_page_comes_from_here_alone(self):
        status, headers, data = self.server.ask("GET", "/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
        self.assertNotIn(b"http://", data)
        for path, kind in (("/page.js", "text/javascript"), ("/page.css", "text/css")):
            status, headers, data = self.server.ask("GET", path)
            self.assertTrue(status == 200 and headers["Content-Type"].startswith(kind) and data)

    def test_paths_and_methods(self):
        self.refused(404, "unknown_path", "GET", "/v2/videos")
        self.refused(404, "unknown_path", "GET", "/v1/videos/video_0/other")
        for path in ("/v1/videos/..%2f..%2fetc%2fpasswd/content", "/../etc/passwd", "/v1/videos/%00"):
            self.assertEqual(self.server.ask("GET", path)[0], 404, path)
        _, answered = self.refused(405, "method_not_allowed", "PUT", "/v1/videos")
        self.assertEqual(answered["Allow"], "GET, POST")
        self.refused(405, "method_not_allowed", "DELETE", "/v1/videos/video_0/content")
        self.refused(405, "method_not_allowed", "GET", "/v1/videos/video_0/cancel")
        self.refused(405, "method_not_allowed", "POST", "/metrics")

    def test_bodies(self):
        json_type = {"Content-Type": "application/json"}
        self.refused(400, "invalid_body", "POST", "/v1/videos", "{", json_type)
        self.refused(400, "unknown_field", "POST", "/v1/videos", '{"prompt": "x", "output": "/tmp/x"}', json_type)
        self.refused(415, "unsupported_content_type", "POST", "/v1/videos", "x", {"Content-Type": "text/plain"})
        self.refused(413, "too_large", "POST", "/v1/videos", "", {**json_type, "Content-Length": str(1 << 40)})

    def test_pages_of_others(self):
        self.refused(403, "unknown_host", "GET", "/v1/videos", None, {"Host": "evil.example"})
        self.refused(403, "foreign_origin", "POST", "/v1/videos", "", {"Origin": "http://evil.example"})
        own = f"http://127.0.0.1:{self.server.port}"
        status, headers, _ = self.server.ask("GET", "/v1/videos", None, {"Origin": own})
        self.assertEqual(status, 200)
        self.assertNotIn("Access-Control-Allow-Origin", headers)

    @unittest.skipIf(shutil.which("curl") is None, "there is no curl")
    def test_curl(self):
        url = f"http://127.0.0.1:{self.server.port}/v1/videos"

        def curl(*arguments):
            done = subprocess.run(["curl", "-sS", "--fail-with-body", *arguments], capture_output=True, check=False)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            return done.stdout

        picture = os.path.join(self.root, "x.png")
        with open(picture, "wb") as file:
            file.write(serving.PIXEL)
        fields = [word for name, value in {"prompt": "a red star", **serving.SMALL}.items() for word in ("-F", f"{name}={value}")]
        video = json.loads(curl(url, *fields, "-F", f"input_reference=@{picture}"))
        self.server.wait_for(video["id"], "completed")
        self.assertEqual(curl(f"{url}/{video['id']}/content")[4:8], b"ftyp")
        self.assertEqual(len(curl("-r", "0-9", f"{url}/{video['id']}/content")), 10)
        self.assertIn(b"event: done", curl("-N", f"{url}/{video['id']}/events"))
        large = json.dumps({"prompt": "x", "input_reference": "data:image/png;base64," + "A" * (3 << 20)})
        refused = subprocess.run(["curl", "-sS", "-w", "%{http_code}", "-o", os.devnull, "-H", "Content-Type: application/json",
                                  "--data-binary", "@-", url], input=large.encode(), capture_output=True, check=False)
        self.assertEqual(refused.stdout, b"400", refused.stderr)


class Keys(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="wanbench-serve-")

    def tearDown(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def test_who_has_no_key_learns_nothing(self):
        keys = os.path.join(self.root, "keys")
        with open(keys, "w") as file:
            file.write("0123456789abcdef0123\n")
        os.chmod(keys, 0o600)
        server = serving.Server(BUILD, os.path.join(self.root, "o"), "--api-keys", keys, "--address", "0.0.0.0")
        try:
            for path in ("/v1/videos", "/v1/models", "/metrics", "/nothing"):
                self.assertEqual(server.ask("GET", path)[0], 401, path)
            self.assertEqual(server.ask("POST", "/v1/videos", "x" * 100, {"Authorization": "Bearer wrong"})[0], 401)
            for path in ("/", "/health"):
                self.assertEqual(server.ask("GET", path)[0], 200, path)
            allowed = {"Authorization": "Bearer 0123456789abcdef0123", "Host": "any.example"}
            self.assertEqual(server.ask("GET", "/v1/videos", None, allowed)[0], 200)
        finally:
            self.assertEqual(server.stop(), 0)

    def test_other_addresses_need_keys(self):
        program = os.path.join(os.path.abspath(BUILD), "wanbench")
        done = subprocess.run([program, "serve", "--address", "0.0.0.0", "--output", self.root + "/o"], capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"--api-keys", done.stderr)

    def test_a_signal_drains(self):
        server = serving.Server(BUILD, os.path.join(self.root, "o"))
        _, _, running = server.order(num_inference_steps=20, size="128x96")
        _, _, queued = server.order()
        server.wait_for(running["id"], "in_progress")
        self.assertEqual(server.stop(), 0)
        server.start()
        try:
            self.assertEqual(server.get(f"/v1/videos/{running['id']}")[1]["status"], "completed")
            done = server.wait_for(queued["id"], "completed")
            self.assertEqual(done["attempts"], 1)
        finally:
            server.stop()

    def test_a_slow_client_does_not_keep_a_fast_one_waiting(self):
        server = serving.Server(BUILD, os.path.join(self.root, "o"))
        try:
            held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
            for one in held:
                one.send(b"GET / HT")
            self.assertEqual(server.get("/health")[0], 200)
            for one in held:
                one.close()
        finally:
            server.stop()


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main(verbosity=1)
