#!/usr/bin/env python3
"""Small seed files for the fuzz targets, a folder each, made from what the tests have: make_seeds.py FIXTURES OUTPUT, with the
unpacked golden archives as FIXTURES. Beside each folder a dictionary of its words. Standard library only."""
import json
import pathlib
import sqlite3
import struct
import sys
import zipfile
import zlib

import weight_seeds

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def small_safetensors(path):
    """The first three tensors of a safetensors file, each cut to one element."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entries = {k: v for k, v in json.loads(data[8 : 8 + size]).items() if k != "__metadata__"}
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(entries)[:3]:
        width = weight_seeds.FLOAT[entries[name]["dtype"]]
        header[name] = {"dtype": entries[name]["dtype"], "shape": [1] * len(entries[name]["shape"]), "data_offsets": [len(body), len(body) + width]}
        body += data[8 + size + entries[name]["data_offsets"][0] :][:width].ljust(width, b"\0")
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def small_pth(path, out):
    """The same pickle with its storages cut off, and one with two whole tensors' worth of entries."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        total = 0
        for entry in source.infolist():
            if entry.file_size > 20000 or total > 60000:
                continue
            target.writestr(entry.filename, source.read(entry))
            total += entry.file_size


def tiny_pth(out):
    """One float matrix, as torch writes it."""
    pickle = (
        b"\x80\x02}q\x00X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06tQK\x00K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)Rtq\x01Rs."
    )
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        target.writestr("archive/data.pkl", pickle)
        target.writestr("archive/byteorder", "little")
        target.writestr("archive/data/0", struct.pack("<6f", *range(6)))


def gguf(tensor):
    """One tensor of 64 numbers in Q8_0, behind a text, a number and lists of both."""
    def text(value):
        return struct.pack("<Q", len(value)) + value

    values = text(b"general.architecture") + struct.pack("<I", 8) + text(b"wan") + text(b"general.file_type") + struct.pack("<II", 4, 7)
    values += text(b"tokens") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"bc") + text(b"shape") + struct.pack("<IIQII", 9, 5, 2, 8, 8)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 4) + values + text(tensor) + struct.pack("<IQQIQ", 2, 32, 2, 8, 0)
    return head + b"\0" * (-len(head) % 32) + b"x" * 68


def lora():
    """A pair of two tensors."""
    entry = {"dtype": "F32", "shape": [1, 1]}
    names = {f"blocks.0.ffn.0.{part}.weight": {**entry, "data_offsets": [4 * i, 4 * i + 4]} for i, part in enumerate(("lora_down", "lora_up"))}
    header = json.dumps(names).encode()
    return struct.pack("<Q", len(header)) + header + b"12345678"


def png(width, height, depth, colour, row_bytes):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes((x * 7 + y) % 256 for x in range(row_bytes)) for y in range(height))
    palette = chunk(b"PLTE", bytes(range(48))) if colour == 3 else b""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + palette + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpeg():
    """An 8 x 8 grey baseline JPEG: one DC table with two codes, one AC table with the end of block alone."""
    quant = b"\xff\xdb\x00\x43\x00" + bytes([1] * 64)
    frame = b"\xff\xc0\x00\x0b\x08\x00\x08\x00\x08\x01\x01\x11\x00"
    dc = b"\xff\xc4\x00\x15\x00" + bytes([0, 2] + [0] * 14) + b"\x00\x05"
    ac = b"\xff\xc4\x00\x14\x10" + bytes([0, 1] + [0] * 14) + b"\x00"
    return b"\xff\xd8" + quant + frame + dc + ac + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x63\xff\xd9"


def exif(order):
    """An orientation behind another entry, in either order of bytes."""
    return (b"MM" if order == ">" else b"II") + struct.pack(order + "HIHHHIHHHHIHHI", 42, 8, 2, 0x0100, 3, 1, 7, 0, 0x0112, 3, 1, 6, 0, 0)


def held(picture, order):
    """A picture that says how it was held."""
    if picture[1:4] == b"PNG":
        chunk = b"eXIf" + exif(order)
        return picture[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + picture[33:]
    segment = b"Exif\0\0" + exif(order)
    return picture[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + picture[2:]


def small_record(step_count, **changes):
    """A run of steps that ended well, from the golden record."""
    record = json.loads((ROOT / "tests/results/golden/record_v1.5.json").read_text())
    total, step = record["stages"]
    begin_ns = 0

    def stage(name, role, wall_ns, **more):
        nonlocal begin_ns
        made = json.loads(json.dumps(step))
        made.update(id=name, name=name, role=role, wall_ns=wall_ns, flags=[], printed={}, index=-1, expert="")
        made["begin_ns"] = {"value": begin_ns, "source": "clock"}
        made["gpu_ns"] = {"value": wall_ns - 1000, "source": "device_event"}
        made.update(more)
        begin_ns += wall_ns if made["kind"] == "leaf" else 0
        return made

    steps = [stage(f"Step_{i}_Inference", "step_inference", 2_000_000_000, index=i) for i in range(step_count)]
    copies = [stage("h2d", "step_inference", 500_000_000, id=f"Step_0_Inference/h2d{n}", kind="hidden", parent="Step_0_Inference") for n in ("", "#2")]
    total.update(wall_ns=begin_ns + 1_000_000)
    record.update(status="ok", error=None, validity=[], imported=None, kernels=None, stages=[*steps, *copies, total])
    record["case"].update(name="01_Speed", arm="")
    record.update(changes)
    return record


def record_seeds(out):
    for path in sorted((ROOT / "tests/results/golden").glob("record_*.json")):
        write(out / path.name, json.dumps(json.loads(path.read_text())))
    write(out / "ok.json", json.dumps(small_record(1)))
    traced = json.loads((ROOT / "tests/results/golden/record_v1.5.json").read_text())["kernels"]
    flag = {"name": "traced", "detail": "", "stage": "", "excludes": True}
    write(out / "traced.json", json.dumps(small_record(1, kernels=traced, validity=[flag])))


KERNEL_EVENTS = {
    "format": "wanbench.kernel_events 1",
    "stages": "Step_1",
    "names": [{"name": "nvjet_sm90", "kind": "gemm"}, {"name": "Memcpy HtoD", "kind": "copy"}],
    "launches": [{"grid": [132, 1, 1], "block": [256, 1, 1], "registers": 168, "shared_bytes": 232448}],
    "calls": ["cudaLaunchKernel", "cudaMemcpyAsync"],
    "threads": [{"id": 4711, "name": "wanbench"}, {"id": 4712, "name": ""}],
    "device": {"begin_ns": [100, 150, 300], "end_ns": [200, 260, 400], "name": [0, 0, 1], "launch": [0, 0, -1], "stream": [7, 7, 14],
               "correlation": [1, 2, 3], "bytes": [0, 0, 4096]},
    "host": {"begin_ns": [50, 60, 250], "end_ns": [58, 70, 290], "name": [0, 0, 1], "thread": [0, 0, 1], "correlation": [1, 2, 3]},
}


def beside_seeds(out):
    samples = {"format": "wanbench.samples 1", "period_ms": 100.0,
               "series": [{"name": "power_w", "begin_ns": [0, 100, 200, 300], "end_ns": [100, 200, 300, 400], "values": [70.5, 600, 601.25, 80]},
                          {"name": "gpu_memory_bytes", "begin_ns": [0, 100], "end_ns": [0, 100], "values": [1e9, 3e10]}]}
    write(out / "samples/good.json", json.dumps(samples))
    spans = {"format": "wanbench.spans 1",
             "parts": [{"id": "Step_0_Inference/h2d", "begin_ns": [0, 100], "wall_ns": [50, 60], "moved_bytes": [4096, None]},
                       {"id": "Step_0_Inference/cond", "begin_ns": [10], "wall_ns": [40], "moved_bytes": [None]}]}
    write(out / "spans/good.json", json.dumps(spans))
    write(out / "kernel_events/good.json", json.dumps(KERNEL_EVENTS))
    write(out / "plan/good.json", json.dumps({"suite": "quick", "version": "1", "program": "ab12", "cases": [{"name": "01", "key": "0123abcd", "request": {}}]}))


def overhead_seed(out):
    tool = {"version": "0.1", "git_commit": "abc", "git_dirty": True, "build": "GNU", "cuda": "13.0", "program_sha256": "89ab"}
    result = {"schema": {"name": "wanbench.overhead", "major": 1, "minor": 1}, "created_utc": "2026-11-24T12:00:00Z", "tool": tool,
              "device": "Paper H100", "gpu_uuid": "GPU-paper", "counters": "nvml_gpm", "counters_not_read": "", "work": "ti2v-5B",
              "period_ms": 100, "steps_in_block": 6, "pairs": [{"off_s": 0.4, "on_s": 0.401}, {"off_s": 0.41, "on_s": 0.41}],
              "step_s": 0.405, "overhead_percent": 0.125, "overhead_low_percent": 0, "overhead_high_percent": 0.25, "limit_percent": 0.5, "sampler_core_percent": 1.5}
    write(out / "good.json", json.dumps(result))


def suite_seeds(out):
    for path in sorted((ROOT / "suites").glob("*.json")):
        suite = json.loads(path.read_text())
        if "cases" not in suite:
            continue
        suite["cases"] = suite["cases"][:2]
        write(out / path.name, json.dumps(suite))
    case = {"name": "a", "aliases": ["b"], "model": "ti2v-5B", "width": 640, "height": 352, "num_frames": 5, "steps": 2, "seed": 7,
            "prompt": "a 'cat' {width} $HOME", "solver": "dpm++", "guidance_scale": 5.0, "shift": 5.0, "offload": "stream"}
    write(out / "one.json", json.dumps({"schema": "wanbench.suite", "format": 1, "name": "s", "version": "1", "cases": [case]}))
    write(out / "one.toml", 'schema = "wanbench.suite"\nformat = 1\nname = "s"\nversion = "1"\n[defaults]\nsteps = 2\nfps = 24.0\n'
                            '[[cases]]\nname = "a"\nmodel = "ti2v-5B"\nprompt = "x"\n[[cases]]\nname = "b"\naliases = ["c"]\nwidth = 640\nheight = 352\n')


def pattern_seeds(out):
    patterns = [{"match": r"^Loading (\w+)", "stage": "Model_Initialization"}, {"match": r"step (\d+)/\d+", "stage": "Step_$1_Inference"},
                {"match": "[Dd]ecod(e|ing)", "stage": "VAE_Decoding $&"}, {"match": "done", "stage": "Output_Encoding"}]
    log = "Loading weights\nstep 0/2 1.5 s\rstep 1/2\nstep 1/2\nDecoding\n\xff\xfe bad bytes\ndone in 7 s\n"
    (out / "good.json").write_bytes(json.dumps(patterns).encode() + b"\0" + log.encode("latin-1"))


def own(at_ns):
    return {"at_ns": at_ns, "cpu_ns": at_ns // 2, "anonymous_bytes": 1 << 30, "file_bytes": 1 << 20, "shared_bytes": 4096, "swapped_bytes": 0,
            "high_water_bytes": 1 << 30, "disk_read_bytes": 4096, "read_bytes": 8192, "major_faults": 2}


SECOND = 1_000_000_000


def native_lines(first_s=1):
    """What our own engine says of one video of two steps."""
    def stage(name, role, index=-1):
        return {"stage": name, "role": role, "index": index, "expert": ""}

    stages = [("Model_Initialization", "initialization", -1), ("T5_Encoding", "text_encoding", -1), ("Step_0_Inference", "step_inference", 0),
              ("Step_1_Inference", "step_inference", 1), ("VAE_Decoding", "vae_decoding", -1)]
    execution = json.loads((ROOT / "tests/results/golden/record_v1.5.json").read_text())["execution"]["value"]
    yield {"type": "hello", "protocol": 3}
    yield {"type": "counter_state", "names": "sm__cycles_active", "reason": ""}
    yield {"type": "decided", "execution": execution, "predicted_peak_bytes": 33_000_000_000}
    yield {"type": "fact", "key": "version.cudnn", "value": "9.19"}
    for i, (name, role, index) in enumerate(stages):
        begin = (first_s + i) * SECOND
        yield {"type": "begin", "steps": 2, "own": own(begin), **stage(name, role, index)}
        rows = [[begin + j * 10**8, begin + (j + 1) * 10**8, 0.9, 0.5, None] for j in range(5)]
        yield {"type": "counters", "seen_ns": begin + SECOND // 2 + 1000, "samples": rows}
        span = {"type": "span", "component": "", "hidden": False, "begin_ns": begin, "end_ns": begin + SECOND, "bytes": 0, "flops": 1e15}
        yield {**span, **stage(name, role, index), "gpu_ns": SECOND - 1000, "exposed_copy_ns": 10, "hidden_copy_ns": 20}
        for part in range(2):
            inside = {"begin_ns": begin + 1000 * part, "end_ns": begin + 1000 * part + 500, "component": "h2d", "hidden": True, "bytes": 4096}
            yield {**span, **stage(name, role, index), **inside}
        yield {"type": "memory", "device_bytes": {"weights": 10**9}, "host_bytes": {"pinned": 10**8}, "device_peak_bytes": 2 * 10**9, **stage(name, role, index)}
    yield {"type": "clock", "residual_ns": 120, "uncertainty_ns": 400}
    yield {"type": "finished", "task": "ti2v", "width": 640, "height": 352, "num_frames": 5, "fps": 24, "steps": 2, "video_sha256": "ffff", "own": own((first_s + 5) * SECOND)}


def protocol_seeds(out):
    """The first byte: 1 a command, 2 a card, 4 warm, 8 traced, 16 failed, 32 in pieces, 64 little is taken."""
    def save(name, bits, lines):
        (out / name).write_bytes(bytes([bits]) + "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode())

    first = list(native_lines())
    save("native", 0, first)
    save("card", 2, first)
    warm = [{"type": "next_video", "index": 1, "own": own(6 * SECOND)}]
    save("warm", 2 | 4, first + warm + list(native_lines(6)))
    trace = json.loads((ROOT / "tests/results/golden/record_v1.5.json").read_text())["kernels"]
    events = json.loads(json.dumps(KERNEL_EVENTS))
    for side in ("device", "host"):
        for key in ("begin_ns", "end_ns"):
            events[side][key] = [3 * SECOND + at for at in events[side][key]]
    save("traced", 2 | 8, first[:-1] + [{"type": "kernels", "trace": trace, "events": events}] + first[-1:])
    failure = {"type": "failure", "kind": "out_of_memory", "message": "no memory", "what_for": "dit", "advice": "--offload stream", "requested_bytes": 9, "free_bytes": 1}
    save("failed", 2 | 16, first[:12] + [failure])
    save("little", 32 | 64, first)
    ranges = [{"type": "range", "thread": 7, "depth": depth, "begin_ns": begin * SECOND // 10, "end_ns": end * SECOND // 10, "name": name}
              for name, depth, begin, end in (("load", 0, 10, 20), ("step", 0, 20, 30), ("attention", 1, 21, 25), ("step", 0, 30, 40), ("decode", 0, 40, 60))]
    save("ranges", 1, ranges + [{**ranges[0], "thread": 8}])
    begin = {"type": "begin", "stage": "Model_Initialization", "steps": 0, "own": {"at_ns": SECOND}}
    span = {"type": "span", "component": "", "hidden": False, "bytes": 0, "flops": 0, "stage": "Step_0_Inference", "begin_ns": 2 * SECOND, "end_ns": 3 * SECOND}
    save("shim", 1 | 2, [begin, {"type": "fact", "key": "shim_clock", "value": "cuda_event"}, span, {"type": "monitor", "on": False}])


def history_seeds(out):
    source = (ROOT / "src/results/history.cpp").read_text()
    tables = source.split('kTables = R"(')[1].split(')";')[0]
    for name, application in (("index", 0x77616E62), ("old", 0)):
        path = out / f"{name}.sqlite"
        path.unlink(missing_ok=True)
        database = sqlite3.connect(path)
        database.executescript(f"PRAGMA page_size = 512; PRAGMA application_id = {application}; PRAGMA user_version = 1;" + tables)
        for i in range(3):
            row = [f"{i}abc", f"2026-11-2{i}T00:00:00Z", "quick", "01_Speed", "", "cold", "ok", "rounding", "ti2v-5B", "wanbench", "native",
                   "NVIDIA H100", "GPU-0", "box", "abcdef", "k", "a.run.json", i, 640, 352, 5, 2, 6 * SECOND, None, 0, i % 2]
            database.execute(f"INSERT INTO runs VALUES ({','.join('?' * len(row))})", row)
            database.execute("INSERT INTO stages VALUES (?, 'Total_Execution', 'parent', 6, 5, 1.5, NULL, 99.0, NULL)", [row[0]])
        database.commit()
        database.close()


def original_seeds(out, units):
    """The first two cases of the original's Markdown, and its JSON with three stages."""
    lines = (units / "seed_report.md").read_text().splitlines(keepends=True)
    cases = [i for i, line in enumerate(lines) if line.startswith("#### Case:")]
    write(out / "report.md", "".join(lines[: cases[2]]))
    report = json.loads((units / "h100_original_case01.json").read_text())
    write(out / "report.json", json.dumps(report))
    report["stages"] = report["stages"][:3]
    write(out / "short.json", json.dumps(report))
    for path in sorted((ROOT / "tests/import/data").glob("*")):
        write(out / path.name, path.read_text())


def checkpoint_seeds(out):
    model = ROOT / "models/shapes-ti2v"
    size = {"dim": 16, "ffn_dim": 32, "num_heads": 2, "num_layers": 1, "in_dim": 4, "out_dim": 4, "text_dim": 8}
    config = json.loads((model / "config.json").read_text())
    write(out / "config/good.json", json.dumps({**config, **size}))
    write(out / "config/short.json", json.dumps({"model_type": "t2v", "num_heads": 1}))
    write(out / "card/README.md", (model / "README.md").read_text())
    words = b"a video of a red star </s> <pad> zz"
    tokenizer = (model / "google/umt5-xxl/tokenizer.json").read_bytes()
    (out / "tokenizer/small.json").write_bytes(tokenizer + b"\0" + words)
    (out / "spiece/small.model").write_bytes(words + b"\0" + (model / "google/umt5-xxl/spiece.model").read_bytes())


def table_seeds(out):
    for name in ("peaks", "prices"):
        table = json.loads((ROOT / f"suites/{name}.json").read_text())
        table["cards"] = table["cards"][:3]
        write(out / "tables" / f"{name}.json", json.dumps(table))
    algorithm = "0123456789abcdef" * 8
    rows = [f"NVIDIA H100 80GB HBM3\t130200\tBF16\tBF16\tnone\t1\t{m}\t3072\t3072\t{algorithm}\t600.0" for m in (900, 1100)]
    write(out / "tuning/table.txt", "# card, version\n" + "\n".join(rows) + "\nNVIDIA L40S\t1\tF32\tBF16\tsilu\t0\t1\t2\t3\tx\t1\n")


def request_seeds(out):
    write(out / "cache_curve/published.json", (ROOT / "curves/i2v-A14B.json").read_text())
    write(out / "prompts/mixed.txt", '# two\n\na red star\r\n{"prompt": "a cat", "seed": 7, "steps": 3, "image": "first.png", "last_image": "last.png"}\n')
    picture = "data:image/png;base64,iVBORw0KGgo="
    order = {"prompt": "a cat", "size": "128x96", "seconds": "2", "num_inference_steps": 4, "guidance_scale": 3.5, "seed": 7, "input_reference": picture}
    (out / "orders/order.json").write_bytes(b"\0" + json.dumps(order).encode())
    parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in (("prompt", "a cat"), ("num_frames", "5")))
    parts += f'--b\r\nContent-Disposition: form-data; name="input_reference"; filename="x"\r\n\r\n\x89PNG\r\n\x1a\n\r\n--b--'
    (out / "orders/form.txt").write_bytes(b"multipart/form-data; boundary=b\0" + parts.encode("latin-1"))
    (out / "orders/range.txt").write_bytes(b"bytes=0-9\0{}")
    sha = "0123456789abcdef" * 4
    weights = [{"component": "dit", "file": "a.safetensors", "size_bytes": 42, "digest": sha, "digest_kind": "size+head+tail"}]
    write(
        out / "video_metadata/whole.json",
        json.dumps(
            {
                "schema": {"name": "wanbench.video", "major": 1, "minor": 0},
                "request": {"prompt": "a cat", "seed": 42, "steps": 5, "width": 96, "height": 64, "solver": "unipc", "shift": 5.0, "precision": "fp32"},
                "files": {"image": {"name": "x.png", "sha256": sha}, "last_image": {"name": "y.png", "sha256": sha}},
                "model": {"task": "ti2v", "name": "ti2v-5B", "weights": weights},
                "tool": {"name": "wanbench", "version": "0.2.0", "git_commit": "abc", "git_dirty": False},
                "device": {"kind": "cpu", "name": "Example CPU", "kernel_table": ""},
                "video": {"width": 96, "height": 64, "num_frames": 5, "fps": 24.0, "frames_sha256": sha},
            }
        ),
    )


def load_seeds(out):
    request = {"intended_s": 1.5, "sent_s": 1.5, "accepted_s": 1.6, "started_s": 2.0, "ended_s": 13.5, "end": "completed", "detail": "", "start_known": "events",
               "warm_up": False, "prompt": 0, "queue_position": 1, "inference_s": 11.4, "expected_s": 11.5, "energy_j": 6500.0, "price": 0.01, "stages": [["Steps", 9.5]]}
    refused = {**request, "started_s": None, "end": "refused", "detail": "429 queue_full", "start_known": "not", "stages": []}
    level = {"mode": "poisson", "rate": 0.05, "concurrency": None, "requests": [{**request, "warm_up": True}, request, {**request, "ended_s": 25.0}, refused],
             "power": [[0, 72.0], [30, 640.0]]}
    test = {"schema": {"name": "wanbench.load", "major": 1, "minor": 0}, "created_utc": "2026-12-02T07:00:00.000Z", "tool_version": "0.2.0", "tool_revision": "abc",
            "url": "http://127.0.0.1:8080", "adapter": "wanbench", "adapter_tried": "in the tests", "model": "m", "server": "cuda:0", "settings": {"size": "832x480"},
            "prompts": 1, "seed": 42, "poll_s": 0.25, "objective_multiple": 2.0, "objective_s": None, "currency": "USD", "why_no_energy": "", "why_no_price": "",
            "idle_power": [[0.5, 71.0]], "why_no_power": "", "levels": [level, {**level, "mode": "closed", "rate": None, "concurrency": 2}]}
    write(out / "load_tests/whole.json", json.dumps(test))
    video = {"id": "video_1", "object": "video", "status": "completed", "inference_time_s": 11.4, "energy_j": 6500.0, "energy_reason": None, "price": 0.01,
             "price_currency": "USD", "expected_seconds": 11.5, "queue_position": 1, "stages": [{"name": "Steps", "seconds": 9.5}], "error": {"code": "x", "message": "y"}}
    write(out / "server_answers/video.json", json.dumps(video))
    write(out / "server_answers/sdcpp.json", json.dumps({"id": "job_1", "status": "generating", "poll_url": "/sdcpp/v1/jobs/job_1", "queue_position": 0, "model": {"name": "m"}}))
    messages = [["execution_start", {"prompt_id": "p1", "timestamp": 1000}], ["execution_success", {"prompt_id": "p1", "timestamp": 2000}]]
    status = {"status_str": "success", "completed": True, "messages": messages}
    write(out / "server_answers/comfyui.json", json.dumps({"prompt_id": "p1", "p1": {"status": status}, "type": "executing", "data": {"node": None, "prompt_id": "p1"}}))
    write(out / "server_answers/metrics.txt", 'wanbench_card_power_watts{worker="0",device="cuda:0"} 312.5\n')


def write(path, text):
    path.write_text(text, encoding="utf-8")


def words_of(value, found):
    """Keys and short texts of a JSON value."""
    if isinstance(value, dict):
        found.update(value)
        for each in value.values():
            words_of(each, found)
    elif isinstance(value, list):
        for each in value:
            words_of(each, found)
    elif isinstance(value, str):
        found.add(value)


def dictionary(folder, out):
    """The words of a folder's JSON seeds in libFuzzer's form."""
    found = set()
    for path in folder.iterdir():
        for text in path.read_bytes().replace(b"\0", b"\n").decode("latin-1").splitlines():
            try:
                words_of(json.loads(text[text.find("{") if text.find("{") in (0, 1) else 0 :]), found)
            except ValueError:
                continue
    words = sorted(word for word in found if word and len(word) < 40 and word.isascii() and word.isprintable())
    if words:
        escaped = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
        write(out, "".join(f'"{word}"\n' for word in escaped))


TARGETS = ("safetensors pth gguf weights lora foreign image index config card tokenizer spiece records samples spans kernel_events plan history poster sound suites imports "
           "overhead tables tuning patterns protocol prompts orders video_metadata cache_curve load_tests server_answers").split()


def main():
    fixtures, out = map(pathlib.Path, sys.argv[1:])
    for target in TARGETS:
        (out / target).mkdir(parents=True, exist_ok=True)
        for path in sorted((HERE / "seeds" / target).glob("*")):
            (out / target / path.name).write_bytes(path.read_bytes())
    for i, path in enumerate(sorted(fixtures.glob("**/*.safetensors"))):
        (out / "safetensors" / f"{i}.safetensors").write_bytes(small_safetensors(path))
    for i, path in enumerate(sorted(fixtures.glob("**/*.pth"))):
        small_pth(path, out / "pth" / f"{i}.pth")
    tiny_pth(out / "pth" / "tiny.pth")
    (out / "foreign" / "dit.gguf").write_bytes(gguf(b"blocks.0.self_attn.q.weight"))
    (out / "foreign" / "lora.safetensors").write_bytes(lora())
    (out / "foreign" / "pointer").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 99\n")
    for colour, depth, row in ((0, 8, 4), (2, 8, 12), (3, 4, 2), (4, 16, 16), (6, 8, 16)):
        (out / "image" / f"{colour}-{depth}.png").write_bytes(png(4, 3, depth, colour, row))
    for path in fixtures.glob("**/input.png"):
        (out / "image" / "input.png").write_bytes(path.read_bytes())
    (out / "image" / "grey.jpg").write_bytes(jpeg())
    (out / "image" / "held.jpg").write_bytes(held(jpeg(), "<"))
    (out / "image" / "held.png").write_bytes(held(png(4, 3, 8, 2, 12), ">"))
    index = {"metadata": {"total_size": 16}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    write(out / "index/good.json", json.dumps(index))
    for path in fixtures.glob("**/*.index.json"):
        (out / "index" / path.name).write_bytes(path.read_bytes())
    record_seeds(out / "records")
    beside_seeds(out)
    overhead_seed(out / "overhead")
    suite_seeds(out / "suites")
    pattern_seeds(out / "patterns")
    protocol_seeds(out / "protocol")
    history_seeds(out / "history")
    original_seeds(out / "imports", ROOT / "tests/golden/units")
    checkpoint_seeds(out)
    weight_seeds.write_seeds(out)
    table_seeds(out)
    request_seeds(out)
    load_seeds(out)
    for target in TARGETS:
        dictionary(out / target, out / f"{target}.dict")


main()
