#!/usr/bin/env python3
"""Writes suites/published.json, what `wanbench plan` knows of cards that have records, from docs/results/*/records.tar.xz;
with --check compares instead. Runs that ended well and were no warm-up; of those with an excluding flag the peaks alone,
which no slow clock and no other program changes."""
import json
import pathlib
import statistics
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "suites" / "published.json"
NOTE = (
    "Medians over the published runs of one program on one card, of every video that was measured: model, size, frames "
    "and recipe. Seconds are the device's, of a step after the first one and of the copies beside it where weights are "
    "streamed; absent where no run has the stage, and of text where "
    "its weights came from files or were encoded on the CPU. Peaks are what the driver says of the process, lowest and "
    "highest run, for each place of the weights and form in which they are stored. Made by tools/make_published.py from docs/results.")


def value(measured):
    return measured.get("value") if measured else None


def seconds(stage):
    device = value(stage.get("gpu_ns"))
    return (stage["wall_ns"] if device is None else device) / 1e9


def is_ours(record):
    """LoRAs are left out: they have no place in what names a video here, and take memory."""
    has_lora = any(weight["component"].startswith("lora") for weight in record["workload"]["weights"])
    return record["status"] == "ok" and record["engine"]["kind"] == "native" and not record["case"].get("warmup") and not has_lora


def counts(record):
    return not any(flag.get("excludes") for flag in record.get("validity") or [])


def records():
    for archive in sorted((ROOT / "docs" / "results").glob("*/records.tar.xz")):
        with tarfile.open(archive) as members:
            for member in sorted(members.getmembers(), key=lambda one: one.name):
                if member.name.endswith(".run.json"):
                    yield archive.parent.name, json.load(members.extractfile(member))


def first_streamed_step(record):
    """From which layers come from the host's memory: behind the first step, and from that on in which the memory was full. Until then
    they come past it, as fast as they are made. Of a cold run that did not fill it, none."""
    fills = [stage["id"] for stage in record["stages"] if "/page_lock_and_fill" in stage["id"]]
    if record["workload"]["scope"] == "cold" and not fills:
        return sys.maxsize
    return max([1, *(int(fill.split("_")[1]) for fill in fills)])


def stage_seconds(record):
    out = {}
    leaves = [stage for stage in record["stages"] if stage["kind"] == "leaf"]
    passes = [stage for stage in leaves if stage["name"].startswith("Step_") and stage["name"].endswith("Inference")]
    steps = [seconds(stage) for stage in passes]
    if len(steps) > 1:
        out["step_s"] = statistics.median(steps[1:])
    copies = [value(stage.get("hidden_copy_ns")) for stage in passes[first_streamed_step(record):]]
    if place_of(record) == "stream" and copies and all(copies):
        out["copy_s"] = statistics.median(copies) / 1e9
    names = {"VAE_Encoding": "image_s", "VAE_Decoding": "decode_s"}
    # A cold process waits there for what the program itself has to load.
    is_warm = record["workload"]["scope"] == "warm"
    made_on_device = record["workload"]["weights"][0]["digest_kind"] == "random"
    if is_warm and made_on_device and record["workload"]["text_encoder_device"] == "cuda":
        names["T5_Encoding"] = "text_s"
    for stage in leaves:
        if stage["name"] in names and (is_warm or stage["name"] != "VAE_Encoding"):
            out[names[stage["name"]]] = seconds(stage)
    return out


def place_of(record):
    execution = value(record.get("execution"))
    if execution:
        return execution["residency"]
    offload = record["workload"]["offload"]
    return {"none": "resident", "auto": "resident"}.get(offload, offload)


def stored_as(record):
    """The form of the DiT's weights by the name of --stored-as; what is converted when it is loaded is as bf16."""
    execution = value(record.get("execution")) or {}
    return execution.get("stored", {}).get("dit", "").partition("random, as ")[2] or "bf16"


def peak_of(record):
    return max(value(stage["device_memory"].get("process_peak_bytes")) or 0 for stage in record["stages"])


def table():
    cards = {}
    for page, record in records():
        if not is_ours(record):
            continue
        work = record["workload"]
        card = record["system"]["gpus"][0]["name"]
        key = (work["model"], work["width"], work["height"], work["num_frames"], work.get("recipe") or "official")
        video = cards.setdefault(card, {}).setdefault(key, {"pages": set(), "runs": 0, "stages": {}, "peaks": {},
                                                            "steps": work["steps"]})
        video["pages"].add(page)
        video["runs"] += 1
        if counts(record):
            for name, one in stage_seconds(record).items():
                video["stages"].setdefault(name, []).append(one)
        place = (place_of(record), work["text_encoder_device"], stored_as(record))
        video["peaks"].setdefault(place, []).append(peak_of(record))
    out = {"schema": {"name": "wanbench.published", "major": 1, "minor": 0}, "note": NOTE, "cards": []}
    for card, videos in sorted(cards.items()):
        rows = []
        for key, video in sorted(videos.items()):
            row = dict(zip(("model", "width", "height", "num_frames", "recipe"), key), steps=video["steps"])
            for name in ("text_s", "image_s", "step_s", "copy_s", "decode_s"):
                if name in video["stages"]:
                    row[name] = round(statistics.median(video["stages"][name]), 6)
            row["peaks"] = [{"residency": place, "text_encoder": text, "stored_as": stored, "lowest_bytes": min(peaks),
                             "highest_bytes": max(peaks)} for (place, text, stored), peaks in sorted(video["peaks"].items())]
            rows.append(row | {"runs": video["runs"], "pages": sorted(video["pages"])})
        out["cards"].append({"device": card, "videos": rows})
    return out


def text_of(document):
    """One video a line."""
    lines = ["{", f' "schema": {json.dumps(document["schema"])},', f' "note": {json.dumps(document["note"])},', ' "cards": [']
    for card in document["cards"]:
        videos = ",\n".join("   " + json.dumps(video) for video in card["videos"])
        lines.append('  {"device": ' + json.dumps(card["device"]) + ', "videos": [\n' + videos + "]}" +
                     ("," if card is not document["cards"][-1] else ""))
    return "\n".join(lines + [" ]", "}"]) + "\n"


def main():
    text = text_of(table())
    if "--check" not in sys.argv:
        TABLE.write_text(text)
    elif TABLE.read_text() != text:
        sys.exit(f"{TABLE.relative_to(ROOT)}: not what docs/results says: run tools/make_published.py")


main()
