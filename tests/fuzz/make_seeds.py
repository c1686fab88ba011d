#!/usr/bin/env python3
"""Small seed files for the fuzz targets, cut from the fixtures: make_seeds.py FIXTURES OUTPUT. Standard library only."""
import json
import pathlib
import struct
import sys
import zipfile
import zlib


def small_safetensors(path):
    """The first three tensors of a safetensors file, each cut to one element."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    entries = {k: v for k, v in json.loads(data[8 : 8 + size]).items() if k != "__metadata__"}
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(entries)[:3]:
        width = {"F32": 4, "F16": 2, "BF16": 2}[entries[name]["dtype"]]
        header[name] = {"dtype": entries[name]["dtype"], "shape": [1] * len(entries[name]["shape"]), "data_offsets": [len(body), len(body) + width]}
        body += data[8 + size + entries[name]["data_offsets"][0] :][:width]
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


def main():
    fixtures, out = map(pathlib.Path, sys.argv[1:])
    for reader in ("safetensors", "pth", "image", "index"):
        (out / reader).mkdir(parents=True, exist_ok=True)
    for i, path in enumerate(sorted(fixtures.glob("**/*.safetensors"))):
        (out / "safetensors" / f"{i}.safetensors").write_bytes(small_safetensors(path))
    for i, path in enumerate(sorted(fixtures.glob("**/*.pth"))):
        small_pth(path, out / "pth" / f"{i}.pth")
    tiny_pth(out / "pth" / "tiny.pth")
    for colour, depth, row in ((0, 8, 4), (2, 8, 12), (3, 4, 2), (4, 16, 16), (6, 8, 16)):
        (out / "image" / f"{colour}-{depth}.png").write_bytes(png(4, 3, depth, colour, row))
    for path in fixtures.glob("**/input.png"):
        (out / "image" / "input.png").write_bytes(path.read_bytes())
    (out / "image" / "grey.jpg").write_bytes(jpeg())
    index = {"metadata": {"total_size": 16}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (out / "index" / "good.json").write_text(json.dumps(index))
    for path in fixtures.glob("**/*.index.json"):
        (out / "index" / path.name).write_bytes(path.read_bytes())


main()
