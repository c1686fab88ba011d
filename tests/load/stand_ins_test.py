#!/usr/bin/env python3
"""`wanbench load` against servers that stand in for the ones its adapters are for, and against a `wanbench serve` of the small model.

Usage: stand_ins_test.py BUILD_DIR
"""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "serve"))

import serving  # noqa: E402
import stand_ins  # noqa: E402

BUILD = ""
WORKFLOW = {"3": {"class_type": "KSampler", "inputs": {"seed": "{seed}", "steps": "{steps}"}},
            "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "{prompt}, in the evening"}}}


class Case(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="wanbench-load-")
        self.addCleanup(shutil.rmtree, self.root, True)

    def file(self, name, content):
        path = os.path.join(self.root, name)
        with open(path, "w") as out:
            out.write(content)
        return path

    def run_load(self, url, adapter, *options, code=0):
        command = [os.path.join(BUILD, "wanbench"), "load", "--target", url, "--adapter", adapter, "--poll-seconds", "0.02", "--json", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=stand_ins.WAITS)
        self.assertEqual(done.returncode, code, done.stderr)
        return (json.loads(done.stdout) if done.stdout else None), done.stderr

    def stand_in(self, kind, **options):
        server = kind(**options)
        self.addCleanup(server.stop)
        return server

    def check(self, summary, count, known):
        level = summary["levels"][0]
        self.assertEqual(level["completed"], count)
        self.assertEqual(level["start_known"], {known: count})
        service = level["service_s"]["value"]
        self.assertGreaterEqual(service["mean"], stand_ins.PAUSE / 2)
        self.assertGreater(level["videos_per_s"]["value"], 0)
        return level


class Videos(Case):
    def test_a_form_is_taken_and_the_servers_time_counts(self):
        server = self.stand_in(stand_ins.Videos, takes="form")
        summary, _ = self.run_load(server.url, "videos", "--prompt", "a boat", "--size", "832x480", "--num-frames", "81", "--steps", "4", "--concurrency", "2",
                                   "--requests", "4")
        self.check(summary, 4, "server")
        self.assertIn("never run against the real server", summary["adapter_tried"])
        self.assertEqual(summary["model"], "stand-in")
        self.assertEqual({content_type for content_type, _ in server.orders}, {"multipart/form-data"})
        fields = sorted((fields for _, fields in server.orders), key=lambda fields: fields["seed"])  # two came at a time
        self.assertEqual(fields[0], {"prompt": "a boat", "size": "832x480", "num_frames": "81", "num_inference_steps": "4", "seed": "42"})
        self.assertEqual([each["seed"] for each in fields], ["42", "43", "44", "45", "46"])  # and the one that warms up

    def test_json_is_taken_and_its_state_is_asked_for(self):
        server = self.stand_in(stand_ins.Videos, tells_time=False)
        summary, _ = self.run_load(server.url, "videos-json", "--prompt", "a boat", "--concurrency", "1", "--requests", "3", "--objective-seconds", "30")
        level = self.check(summary, 3, "polls")
        self.assertEqual(server.orders[0][0], "application/json")
        self.assertEqual(level["goodput"]["value"]["within"], 3)
        self.assertEqual(level["video_energy_j"], {"value": None, "reason": "this kind of server tells no energy"})

    def test_failures_are_counted_by_kind(self):
        server = self.stand_in(stand_ins.Videos)
        prompts = self.file("prompts.txt", "a boat\nit fails\nthe queue is full\nsay nonsense\ngo elsewhere\nbe forgotten\n")
        summary, _ = self.run_load(server.url, "videos-json", "--prompts", prompts, "--rate", "50", "--requests", "6", "--warm-up", "0", code=1)
        level = summary["levels"][0]
        self.assertEqual(level["completed"], 1)
        found = {failure["what"]: failure["count"] for failure in level["failures"]}
        self.assertEqual(found.pop("failed: engine_failed"), 1)
        self.assertEqual(found.pop("refused: 429 queue_full"), 1)
        self.assertEqual(sum(count for what, count in found.items() if what.startswith("bad_answer: ")), 3, found)

    def test_a_request_that_takes_too_long_is_given_up(self):
        server = self.stand_in(stand_ins.Videos)
        summary, _ = self.run_load(server.url, "videos-json", "--prompt", "it is never made", "--concurrency", "2", "--requests", "2", "--warm-up", "0",
                                   "--request-seconds", "0.5", code=1)
        self.assertEqual(summary["levels"][0]["failures"], [{"what": "timed_out", "count": 2}])
        self.assertEqual(sorted(server.cancelled), ["/v1/videos/video-1", "/v1/videos/video-2"])

    def test_scenarios_ask_for_each_prompt_once_with_one_seed(self):
        server = self.stand_in(stand_ins.Videos)
        words = ["a boat", "a ship", "a raft"]
        prompts = self.file("prompts.txt", "# a list\n\na boat\n  a ship\r\n\na raft")
        folder = os.path.join(self.root, "load")
        summary, _ = self.run_load(server.url, "videos-json", "--prompts", prompts, "--scenario", "SingleStream,Offline", "--seed", "7", "--output", folder)
        self.assertEqual(summary["prompts_sha256"], hashlib.sha256("".join(word + "\n" for word in words).encode()).hexdigest())
        self.assertEqual((summary["prompts"], summary["seed"], summary["has_one_seed"]), (3, 7, True))
        self.assertEqual([(level["name"], level["scenario"]["value"], level["concurrency"]["value"], level["asked"], level["completed"]) for level in summary["levels"]],
                         [("SingleStream", "SingleStream", 1, 3, 3), ("Offline", "Offline", 4, 3, 3)])
        self.assertEqual({fields["seed"] for _, fields in server.orders}, {7})
        self.assertEqual([fields["prompt"] for _, fields in server.orders[:4]], words + words[:1])
        at_once = sorted(fields["prompt"] for _, fields in server.orders[4:])  # the one that warms up among them, in any order
        self.assertEqual(at_once, sorted(words + words[1:2]))
        with open(os.path.join(folder, "load.json")) as file:
            levels = json.load(file)["levels"]
        self.assertTrue(all(request["intended_s"] == 0 for request in levels[1]["requests"]), "all are queued at once")
        stream = levels[0]["requests"]
        self.assertTrue(all(later["sent_s"] >= before["ended_s"] for before, later in zip(stream, stream[1:])), "one after another")

    def test_a_scenario_takes_no_other_load_beside_it(self):
        own = self.file("own.txt", '{"prompt": "a boat", "seed": 3}\n')
        for options, word in ((["--concurrency", "1", "--requests", "1"], "leave out --rate"), (["--duration", "5"], "leave out --rate"),
                              (["--prompts", own], "own.txt:1: the line has a seed of its own"), (["--requests", "20000"], "10000 at most"),
                              (["--workflow", own], "from its cache")):
            adapter = "comfyui" if "--workflow" in options else "videos"
            _, said = self.run_load("http://127.0.0.1:9", adapter, "--prompt", "a", "--scenario", "Offline", *options, code=2)
            self.assertIn(word, " ".join(said.split()))

    def test_of_many_orders_few_are_sent_at_once_and_all_are_taken(self):
        server = stand_ins.Videos()
        server.pause, server.thinks = 0.001, 0.01
        self.addCleanup(server.stop)
        summary, _ = self.run_load(server.url, "videos-json", "--prompt", "a boat", "--scenario", "Offline", "--requests", "150")
        self.assertEqual(summary["levels"][0]["completed"], 150)
        self.assertGreater(server.most_ordering, 1)
        self.assertLessEqual(server.most_ordering, 32)

    def test_nobody_there_is_said_before_anything_is_sent(self):
        server = stand_ins.Videos()
        server.stop()
        _, said = self.run_load(server.url, "videos", "--prompt", "a boat", "--concurrency", "1", "--requests", "1", code=1)
        self.assertIn("--target: connecting", said)


def events_without_end(asked):
    """A video whose one event never ends."""
    if asked.startswith(b"POST"):
        body = b'{"id": "video-1", "status": "queued"}'
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        return
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: "
    while True:
        yield b"x" * 65536


def repeated(head, piece):
    def say(_):
        yield head
        while True:
            yield piece

    return say


def silence(_):
    time.sleep(stand_ins.WAITS)
    yield b""


class Hostile(Case):
    """What is no answer ends the request it belongs to, and nothing else."""

    def failure_of(self, say, adapter="videos-json", *options):
        server = stand_ins.Raw(say)
        self.addCleanup(server.stop)
        summary, _ = self.run_load(server.url, adapter, "--prompt", "a", "--concurrency", "1", "--requests", "1", "--warm-up", "0", *options, code=1)
        failures = summary["levels"][0]["failures"]
        self.assertEqual(len(failures), 1, failures)
        return failures[0]["what"]

    def test_no_http(self):
        self.assertIn("bad_answer: reading the answer", self.failure_of(lambda _: [b"SSH-2.0-OpenSSH_9.2\r\n"]))

    def test_a_head_without_end(self):
        self.assertIn("bad_answer: reading the answer", self.failure_of(repeated(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 1000 + b"\r\n")))

    def test_an_answer_that_breaks_off(self):
        self.assertIn("unreachable: reading the answer", self.failure_of(lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"]))

    def test_an_event_without_end(self):
        self.assertIn("bad_answer: an event of the server has no end", self.failure_of(events_without_end, "wanbench"))

    def test_nothing_at_all(self):
        self.assertEqual("timed_out", self.failure_of(silence, "videos-json", "--request-seconds", "0.3"))

    def test_letters_that_steer_a_terminal(self):
        body = json.dumps({"error": {"code": "\x1b[2J\u202e"}}).encode()
        self.assertEqual("refused: 400 ?[2J???", self.failure_of(lambda _: [b"HTTP/1.1 400 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body]))


class Interrupted(Case):
    def test_a_signal_gives_up_what_is_under_way(self):
        server = self.stand_in(stand_ins.Videos)
        folder = os.path.join(self.root, "load")
        command = [os.path.join(BUILD, "wanbench"), "load", "--target", server.url, "--adapter", "videos-json", "--prompt", "it is never made", "--concurrency", "2",
                   "--requests", "2", "--warm-up", "0", "--output", folder]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while len(server.jobs) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=stand_ins.WAITS), 130, process.stderr.read())
        process.stderr.close()
        self.assertEqual(len(server.cancelled), 2)
        self.assertEqual(os.listdir(folder), [])


class Sdcpp(Case):
    def test_its_jobs_are_followed(self):
        server = self.stand_in(stand_ins.Sdcpp)
        summary, _ = self.run_load(server.url, "sdcpp", "--prompt", "a boat", "--size", "832x480", "--num-frames", "33", "--steps", "4", "--guidance-scale", "3.5",
                                   "--concurrency", "2", "--requests", "4")
        self.check(summary, 4, "polls")
        self.assertEqual((summary["model"], summary["server"]), ("wan2.2.gguf", "stable-diffusion.cpp"))
        fields = server.orders[0][1]
        self.assertEqual((fields["width"], fields["video_frames"], fields["sample_params"]), (832, 33, {"sample_steps": 4, "guidance": {"txt_cfg": 3.5}}))

    def test_a_full_queue_and_a_failure_are_told_apart(self):
        server = self.stand_in(stand_ins.Sdcpp)
        prompts = self.file("prompts.txt", "it fails\nthe queue is full\n")
        summary, _ = self.run_load(server.url, "sdcpp", "--prompts", prompts, "--rate", "50", "--requests", "2", "--warm-up", "0", code=1)
        found = {failure["what"]: failure["count"] for failure in summary["levels"][0]["failures"]}
        self.assertEqual(found, {"failed: generation_failed": 1, "refused: 429 queue_full": 1})


class ComfyUI(Case):
    def test_a_beginning_is_heard_before_the_order_is_answered(self):
        server = self.stand_in(stand_ins.ComfyUI, hastes=True)
        workflow = self.file("workflow.json", json.dumps(WORKFLOW))
        summary, _ = self.run_load(server.url, "comfyui", "--workflow", workflow, "--prompt", "a boat", "--concurrency", "2", "--requests", "4")
        self.check(summary, 4, "events")

    def test_a_workflow_is_filled_and_its_events_are_heard(self):
        server = self.stand_in(stand_ins.ComfyUI)
        workflow = self.file("workflow.json", json.dumps(WORKFLOW))
        summary, _ = self.run_load(server.url, "comfyui", "--workflow", workflow, "--prompt", "a boat", "--steps", "4", "--concurrency", "2", "--requests", "4")
        self.check(summary, 4, "events")
        self.assertIn("0.0-stand-in", summary["server"])
        client, first = min(server.orders, key=lambda order: order[1]["3"]["inputs"]["seed"])  # two came at a time
        self.assertTrue(client.startswith("wanbench-"))
        self.assertEqual(first["6"]["inputs"]["text"], "a boat, in the evening")
        self.assertEqual(first["3"]["inputs"], {"seed": 42, "steps": 4})

    def test_without_a_websocket_history_is_asked(self):
        server = self.stand_in(stand_ins.ComfyUI, pushes=False)
        workflow = self.file("workflow.json", json.dumps(WORKFLOW))
        prompts = self.file("prompts.txt", "a boat\na ship\nit fails\n")
        summary, _ = self.run_load(server.url, "comfyui", "--workflow", workflow, "--prompts", prompts, "--concurrency", "1", "--requests", "3", "--warm-up", "0",
                                   code=1)
        level = summary["levels"][0]
        self.assertEqual(level["start_known"], {"server": 2})
        self.assertEqual(level["failures"], [{"what": "failed: torch.OutOfMemoryError", "count": 1}])

    def test_a_workflow_that_would_be_answered_from_the_cache_is_refused(self):
        for content, word in (({"3": {"class_type": "KSampler", "inputs": {"seed": 1}}}, "{seed}"), ({"nodes": []}, "Export (API)"), ({"3": {}}, "class_type")):
            workflow = self.file("workflow.json", json.dumps(content))
            _, said = self.run_load("http://127.0.0.1:9", "comfyui", "--workflow", workflow, "--prompt", "a", "--concurrency", "1", "--requests", "1", code=2)
            self.assertIn(word, said)


class Own(Case):
    """The real server, with the small model."""

    def setUp(self):
        super().setUp()
        self.server = serving.Server(BUILD, os.path.join(self.root, "serve"), "--price-per-hour", "3.6", "--size", "32x32", "--num-frames", "5", "--steps", "1")
        self.addCleanup(self.server.stop)
        self.url = f"http://127.0.0.1:{self.server.port}"

    def test_what_the_server_tells_is_in_the_file_and_in_its_report(self):
        prompts = self.file("prompts.txt", "a video of a red star\n" + '{"prompt": "a video of a blue ring", "num_frames": 9}\n')
        folder = os.path.join(self.root, "load")
        summary, _ = self.run_load(self.url, "wanbench", "--prompts", prompts, "--concurrency", "2", "--shares", "0.5", "--requests", "4", "--objective", "1000",
                                   "--output", folder)
        self.assertEqual([level["mode"] for level in summary["levels"]], ["closed", "poisson"])
        for level in summary["levels"]:
            self.assertEqual((level["completed"], level["start_known"]), (4, {"events": 4}))
            self.assertEqual(level["goodput"]["value"]["within"], level["goodput"]["value"]["judged"])
            self.assertGreater(level["price"]["value"]["mean"], 0)
            self.assertIn("VAE_Decoding", [stage["name"] for stage in level["stages"]])
        self.assertEqual(summary["currency"], "USD")
        with open(os.path.join(folder, "load.json")) as file:
            document = json.load(file)
        requests = document["levels"][0]["requests"]
        self.assertEqual([request["prompt"] for request in requests], [0, 1, 0, 1, 0])
        for request in requests:
            self.assertLessEqual(request["intended_s"], request["sent_s"])
            self.assertLessEqual(request["started_s"], request["ended_s"])
        self.assertNotIn("red star", json.dumps(document))
        done = subprocess.run([os.path.join(BUILD, "wanbench"), "report", folder], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(folder, "report.md")) as file:
            self.assertIn("## Serving under Load", file.read())
        self.assertTrue(os.path.exists(os.path.join(folder, "report.html")))
        _, said = self.run_load(self.url, "wanbench", "--prompt", "a", "--concurrency", "1", "--requests", "1", "--output", folder, code=2)
        self.assertIn("holds a load.json already", said)

    def test_of_more_videos_than_are_listened_to_each_begin_is_heard(self):
        folder = os.path.join(self.root, "load")
        summary, _ = self.run_load(self.url, "wanbench", "--prompt", "a video of a red star", "--scenario", "Offline", "--requests", "40", "--output", folder)
        level = summary["levels"][0]
        self.assertEqual((level["completed"], level["start_known"]), (40, {"events": 40}))
        self.assertEqual([one["p"] for one in level["latency_s"]["value"]["quantiles"]], [0.5, 0.9, 0.95, 0.99])
        done = subprocess.run([os.path.join(BUILD, "wanbench"), "report", folder], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(folder, "report.md")) as file:
            self.assertRegex(file.read(), r"\| Offline \| 40 of 40 \|")

    def test_a_refusal_of_the_server_has_its_code(self):
        summary, _ = self.run_load(self.url, "wanbench", "--prompt", "a", "--size", "33x32", "--concurrency", "1", "--requests", "1", "--warm-up", "0", code=1)
        self.assertTrue(summary["levels"][0]["failures"][0]["what"].startswith("refused: 400 "))


class Replicas(Case):
    """`run --replicas` and `serve --replicas`, on the processor."""

    SUITE = {"schema": "wanbench.suite", "format": 1, "name": "tiny", "version": "1", "defaults": {"prompt": "a video of a red star"},
             "cases": [{"name": "tiny", "width": 32, "height": 32, "num_frames": 5, "steps": 1}]}

    def test_two_runs_at_once_have_folders_of_their_own_and_one_report(self):
        folder = os.path.join(self.root, "run")
        command = [os.path.join(BUILD, "wanbench"), "run", "--replicas=2", "--suite", self.file("suite.json", json.dumps(self.SUITE)), "--device", "cpu",
                   "--repeats", "0", "--warm-repeats", "3", "--cool-down", "0", "--output", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=stand_ins.WAITS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(" ".join(done.stdout.split()), r"tiny: (\d+\.\d videos an hour of 2 replicas|no videos an hour)")
        for place in ("replica-0", "replica-1"):
            records = [name for _, _, names in os.walk(os.path.join(folder, place)) for name in names if name.endswith(".run.json")]
            self.assertEqual(len(records), 3, records)
        self.assertTrue(os.path.exists(os.path.join(folder, "report.md")))

    def test_a_refusal_of_one_is_that_of_all(self):
        command = [os.path.join(BUILD, "wanbench"), "run", "--replicas", "2", "--suite", "/nonexistent", "--device", "cpu", "--output", os.path.join(self.root, "run")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=stand_ins.WAITS)
        self.assertEqual(done.returncode, 2)
        self.assertIn("replica 1: error: cannot open /nonexistent", done.stderr)

    def test_a_server_has_a_worker_for_each(self):
        server = serving.Server(BUILD, os.path.join(self.root, "serve"), "--replicas", "2")
        self.addCleanup(server.stop)
        self.assertEqual(server.get("/v1/models")[1]["data"][0]["device"], "cpu, cpu")


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main()
