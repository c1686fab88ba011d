"""Servers that answer as the published shapes say, and make no video: one place, a queue before it, and a pause for the work. What they do with an order is
what its prompt says. Sources: vLLM-Omni docs/serving/videos_api.md; SGLang's protocol of the video API; stable-diffusion.cpp examples/server/api.md; ComfyUI
script_examples/websockets_api_example.py and the messages of its PromptExecutor.
"""
import base64
import email.parser
import email.policy
import hashlib
import http.server
import itertools
import json
import queue
import socket
import struct
import threading
import time

PAUSE = 0.05  # seconds of work
WAITS = 60.0  # seconds: a bound that only a fault reaches


class Job:
    def __init__(self, identifier, fields):
        self.id, self.fields = identifier, fields
        self.state = "queued"
        self.begun = self.ended = None

    @property
    def prompt(self):
        return str(self.fields.get("prompt", ""))


class StandIn:
    """Its jobs, and one thread that works them off."""

    pause, thinks = PAUSE, 0  # seconds of work, and before an order is taken in

    def __init__(self):
        self.jobs, self.numbers, self.lock = {}, itertools.count(1), threading.Lock()
        self.waiting = queue.Queue()
        self.orders = []  # (content type, fields) of each
        self.ordering = self.most_ordering = 0  # orders that are being taken in, now and at most
        self.cancelled = []
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                stand_in.get(self)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with stand_in.lock:
                    stand_in.ordering += 1
                    stand_in.most_ordering = max(stand_in.most_ordering, stand_in.ordering)
                time.sleep(stand_in.thinks)
                with stand_in.lock:
                    stand_in.ordering -= 1
                stand_in.post(self, body)

            def do_DELETE(self):
                stand_in.cancelled.append(self.path)
                self.answer(200, {"deleted": True})

            def answer(self, status, document):
                self.answer_bytes(status, json.dumps(document).encode())

            def answer_bytes(self, status, data):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client may leave in the middle of an answer
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        threading.Thread(target=self.work, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def take(self, identifier, fields):
        job = Job(identifier, fields)
        with self.lock:
            self.jobs[identifier] = job
        self.waiting.put(job)
        return job

    def work(self):
        while True:
            job = self.waiting.get()
            job.begun, job.state = time.time(), "running"
            self.begins(job)
            if "never" in job.prompt:
                return
            time.sleep(self.pause)
            job.ended, job.state = time.time(), "failed" if "fails" in job.prompt else "completed"
            self.ends(job)

    def begins(self, job):
        pass

    def ends(self, job):
        pass


def fields_of_form(content_type, body):
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    return {part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode() for part in message.iter_parts()}


class Videos(StandIn):
    """/v1/videos as SGLang, FastVideo and vLLM-Omni have it. `takes`: "form", as vLLM-Omni, or "both"."""

    def __init__(self, takes="both", tells_time=True):
        self.takes, self.tells_time = takes, tells_time
        super().__init__()

    def document(self, job):
        states = {"queued": "queued", "running": "in_progress", "completed": "completed", "failed": "failed"}
        document = {"id": job.id, "object": "video", "model": "stand-in", "status": states[job.state], "progress": 0, "created_at": int(time.time()),
                    "error": {"code": "engine_failed", "message": "it was told to"} if job.state == "failed" else None}
        if job.state == "completed" and self.tells_time:
            document["inference_time_s"] = job.ended - job.begun
        return document

    def post(self, handler, body):
        content_type = handler.headers.get("Content-Type", "")
        is_form = content_type.startswith("multipart/form-data")
        if not is_form and self.takes == "form":
            return handler.answer(422, {"detail": "a form is expected"})
        fields = fields_of_form(content_type, body) if is_form else json.loads(body)
        self.orders.append((content_type.split(";")[0], fields))
        prompt = fields["prompt"]
        if "full" in prompt:
            return handler.answer(429, {"error": {"code": "queue_full", "message": "come again"}})
        if "nonsense" in prompt:
            return handler.answer_bytes(200, b"<html>")
        if "elsewhere" in prompt:
            return handler.answer(200, {"id": "../../etc", "status": "queued"})
        return handler.answer(200, self.document(self.take(f"video-{next(self.numbers)}", fields)))

    def get(self, handler):
        if handler.path == "/v1/models":
            return handler.answer(200, {"object": "list", "data": [{"id": "stand-in", "owned_by": "tests"}]})
        job = self.jobs.get(handler.path.rsplit("/", 1)[1])
        if job is None or "forgotten" in job.prompt:
            return handler.answer(404, {"detail": "Video not found"})
        return handler.answer(200, self.document(job))


class Sdcpp(StandIn):
    def post(self, handler, body):
        if handler.path.endswith("/cancel"):
            self.cancelled.append(handler.path)
            return handler.answer(200, {})
        fields = json.loads(body)
        self.orders.append((handler.headers.get("Content-Type"), fields))
        if "full" in fields["prompt"]:
            return handler.answer(429, {"error": "queue_full", "message": "job queue is full"})
        job = self.take(f"job_{next(self.numbers):08x}", fields)
        return handler.answer(202, {"id": job.id, "kind": "vid_gen", "status": "queued", "created": int(time.time()), "poll_url": f"/sdcpp/v1/jobs/{job.id}"})

    def get(self, handler):
        if handler.path == "/sdcpp/v1/capabilities":
            return handler.answer(200, {"model": {"name": "wan2.2.gguf", "stem": "wan2.2", "path": "/models/wan2.2.gguf"}, "supported_modes": ["vid_gen"]})
        job = self.jobs.get(handler.path.rsplit("/", 1)[1])
        if job is None:
            return handler.answer(404, {"error": "job not found"})
        states = {"queued": "queued", "running": "generating", "completed": "completed", "failed": "failed"}
        document = {"id": job.id, "kind": "vid_gen", "status": states[job.state], "created": int(time.time()), "started": int(job.begun) if job.begun else None,
                    "completed": int(job.ended) if job.ended else None, "queue_position": 1 if job.state == "queued" else 0, "result": None, "error": None}
        if job.state == "completed":
            document["result"] = {"output_format": "webm", "mime_type": "video/webm", "fps": 16, "frame_count": 17, "b64_json": base64.b64encode(bytes(100_000)).decode()}
        if job.state == "failed":
            document["error"] = {"code": "generation_failed", "message": "generate_video returned no results"}
        return handler.answer(200, document)


class ComfyUI(StandIn):
    """`pushes`: whether its websocket is there; `hastes`: that a job has begun is said before its order is answered."""

    def __init__(self, pushes=True, hastes=False):
        self.pushes, self.hastes, self.sockets = pushes, hastes, []
        super().__init__()

    def post(self, handler, body):
        fields = json.loads(body) if body else {}
        if handler.path in ("/queue", "/interrupt"):
            self.cancelled.append(handler.path)
            return handler.answer(200, {})
        workflow = fields["prompt"]
        if any("class_type" not in node for node in workflow.values()):
            return handler.answer(400, {"error": {"type": "invalid_prompt", "message": "a node has no class_type"}, "node_errors": {}})
        self.orders.append((fields.get("client_id"), workflow))
        job = self.take(f"00000000-0000-4000-8000-{next(self.numbers):012d}", {"prompt": workflow["6"]["inputs"]["text"]})
        if self.hastes:
            self.say("execution_start", {"prompt_id": job.id, "timestamp": int(1000 * time.time())})
        return handler.answer(200, {"prompt_id": job.id, "number": 1, "node_errors": {}})

    def get(self, handler):
        if handler.path.startswith("/ws"):
            return self.open_socket(handler)
        if handler.path == "/system_stats":
            return handler.answer(200, {"system": {"comfyui_version": "0.0-stand-in"}, "devices": [{"name": "cpu"}]})
        job = self.jobs.get(handler.path.rsplit("/", 1)[1])
        if job is None or job.ended is None:
            return handler.answer(200, {})
        messages = [["execution_start", {"prompt_id": job.id, "timestamp": int(1000 * job.begun)}], ["execution_cached", {"nodes": [], "prompt_id": job.id}]]
        end = {"prompt_id": job.id, "timestamp": int(1000 * job.ended)}
        is_good = job.state == "completed"
        messages.append(["execution_success", end] if is_good else ["execution_error", {**end, "node_id": "3", "exception_type": "torch.OutOfMemoryError"}])
        status = {"status_str": "success" if is_good else "error", "completed": is_good, "messages": messages}
        return handler.answer(200, {job.id: {"prompt": [], "outputs": {}, "status": status}})

    def open_socket(self, handler):
        if not self.pushes:
            return handler.answer(404, {})
        key = handler.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        handler.send_response(101)
        handler.send_header("Upgrade", "websocket")
        handler.send_header("Connection", "Upgrade")
        handler.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        handler.end_headers()
        with self.lock:
            self.sockets.append(handler.wfile)
        self.say("status", {"status": {"exec_info": {"queue_remaining": 0}}})
        handler.rfile.read()  # until the client has gone
        handler.close_connection = True

    def frame(self, opcode, data):
        head = bytes([0x80 | opcode]) + (bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data)))
        with self.lock:
            for file in list(self.sockets):
                try:
                    file.write(head + data)
                    file.flush()
                except (OSError, ValueError):
                    self.sockets.remove(file)

    def say(self, kind, data):
        self.frame(1, json.dumps({"type": kind, "data": data}).encode())

    def begins(self, job):
        if not self.hastes:
            self.say("execution_start", {"prompt_id": job.id, "timestamp": int(1000 * time.time())})
        self.frame(2, b"\0\0\0\1 a preview")
        self.say("progress", {"value": 1, "max": 4, "prompt_id": job.id, "node": "3"})

    def ends(self, job):
        self.say("execution_success" if job.state == "completed" else "execution_error", {"prompt_id": job.id})
        self.say("executing", {"node": None, "prompt_id": job.id})


class Raw:
    """Answers each connection with the bytes that `say` yields, whatever was asked; what is asked for by /v1/models it knows."""

    def __init__(self, say):
        self.say, self.listener = say, socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection:
            try:
                asked = connection.recv(65536)
                if asked.startswith(b"GET /v1/models"):
                    return connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                for piece in self.say(asked):
                    connection.sendall(piece)
            except OSError:
                pass

    def stop(self):
        self.listener.close()
