#!/usr/bin/env python3
"""Opens report.html in headless Chromium through the DevTools protocol over a pipe, at a desk's and a phone's width, light and
dark, and as on paper: no console error, nothing fetched, charts drawn, nothing wider than the window or the paper, and the first
screen's numbers, intervals, prices, fits and run counts equal to what the record files say. Standard library only. Exit code 77: no browser here (an error where CI=true)."""
import argparse
import json
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import urllib.parse

from browser import Browser, find_browser, skipped

WIDTHS = {1280: 900, 390: 844}


def is_absent_video(url):
    """A page may be without its videos: the browser says so, and the page shows the still."""
    return url.startswith("file:") and url.endswith(".mp4") and not pathlib.Path(urllib.parse.unquote(url[7:])).exists()


def complaints(events):
    """Console errors and requests that leave the machine."""
    for event in events:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            yield f"exception: {params['exceptionDetails']}"
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            yield f"console: {params['args']}"
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            if is_absent_video(params["entry"].get("url", "")):
                continue
            yield f"log: {params['entry']}"
        elif method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:")):
                yield f"request: {url}"


# Canvases that can be seen, with how many colours each has.
CANVASES = """[...document.querySelectorAll("canvas")].filter(c => c.offsetParent !== null).map(c => {
  const copy = new OffscreenCanvas(c.width, c.height).getContext("2d", {willReadFrequently: true});
  copy.drawImage(c, 0, 0);
  const p = copy.getImageData(0, 0, c.width, c.height).data, seen = new Set();
  for (let i = 0; i < p.length; i += 4) if (p[i + 3] > 0) seen.add(p[i] << 16 | p[i + 1] << 8 | p[i + 2]);
  return {label: c.getAttribute("aria-label"), colours: seen.size};
})"""
FIRST_SCREEN = """[...document.querySelectorAll("#case option")].map((option, i) => {
  const select = document.getElementById("case");
  select.selectedIndex = i;
  select.dispatchEvent(new Event("change"));
  const part = (id, name) => document.querySelector("#answer-" + id + " .tile-" + name).textContent;
  const out = {name: option.textContent, sure: document.querySelector(".sure-line").textContent};
  for (const id of ["seconds", "rate", "energy", "price", "memory"]) {
    out[id] = part(id, "value");
    out[id + "-under"] = part(id, "under");
  }
  return out;
})"""
ROWS = """[...document.querySelectorAll("#answer table.cards tbody tr")].map(row =>
  Object.fromEntries([...row.cells].map(cell => [cell.dataset.label, cell.textContent])))"""
# Videos that do not load (each is given a few seconds) or whose still, in the page itself, cannot be drawn.
VIDEOS = """Promise.all([...document.querySelectorAll("video")].map(async v => {
  for (let i = 0; i < 100 && v.readyState < 1 && v.isConnected; ++i) await new Promise(done => setTimeout(done, 100));
  if (!v.isConnected) return null;  // its still took its place
  if (v.readyState < 1) return "video does not load: " + v.src;
  return v.poster ? %s(v.poster) : null;
})).then(all => all.filter(Boolean))"""
DRAWN = """(async url => {
  const still = new Image();
  still.src = url;
  if (!url.startsWith("data:image/jpeg;base64,")) return "a still that is not in the page: " + url;
  try { await still.decode(); } catch (problem) { return "a still that is no picture: " + problem; }
  const side = Math.max(still.naturalWidth, still.naturalHeight);
  if (side < 2 || side > 320 || url.length > 54000) return "a still of " + side + " pixels, " + url.length + " letters";
  return null;
})"""
VIDEOS %= DRAWN
STILLS = """Promise.all([...document.querySelectorAll(".videos img")].map(i => %s(i.src))).then(all => all.filter(Boolean))
""" % DRAWN
CASES = 'JSON.parse(document.getElementById("data").textContent).cases'
REPEATED = """(() => {
  const shown = [...document.querySelectorAll("details.case")].map(d => d.querySelector("pre.repeat"));
  return shown.map((pre, i) => [pre ? pre.textContent : "", %s[i].provenance.repeat_command]);
})()""" % CASES
SHOWN = """[...document.querySelectorAll(".videos figure")].map(f => ({video: !!f.querySelector("video"),
  still: !!f.querySelector("img, video[poster]"), caption: f.querySelector("figcaption").textContent}))"""
# All cases: in a fold where they are many.
BARS = """(async () => {
  document.querySelectorAll("#answer details").forEach(d => { if (d.querySelector("canvas")) d.open = true; });
  await new Promise(done => setTimeout(done, 100));
  const chart = Object.values(Chart.instances).filter(c => c.canvas.getAttribute("aria-label").startsWith("Where the seconds"))
    .sort((a, b) => b.data.labels.length - a.data.labels.length)[0];
  return {rows: chart.data.labels.map(label => [label].flat()[0]), series: chart.data.datasets.map(s => ({label: s.label,
    values: s.data, striped: typeof s.backgroundColor != "string"}))};
})()"""
# innerWidth grows with what overflows where a phone is emulated: the document's own width does not.
WIDER = """(() => {
  const page = document.documentElement, width = page.clientWidth;
  const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > width + 1
    && !e.closest(".scroll")).slice(0, 3).map(e => e.outerHTML.slice(0, 120));
  return page.scrollWidth > width ? ["the page: " + page.scrollWidth + " px of " + width, ...wide] : wide;
})()"""
# Tables scroll on a screen; paper does not.
WIDER_THAN_PAPER = """(() => {
  const page = document.documentElement, width = page.clientWidth;
  const wide = [...document.querySelectorAll("canvas, table, pre")].filter(e => e.offsetParent !== null
    && e.getBoundingClientRect().right > width + 1).slice(0, 3).map(e => e.outerHTML.slice(0, 120));
  return page.scrollWidth > width ? ["the page: " + page.scrollWidth + " px of " + width, ...wide] : wide;
})()"""
WIDE_CANVASES = """[...document.querySelectorAll("canvas")].filter(c => c.offsetParent !== null
  && c.width / devicePixelRatio > %d).map(c => c.getAttribute("aria-label"))"""
UNTABLED = """[...document.querySelectorAll("figure")].filter(f => f.querySelector("canvas") && f.offsetParent !== null
  && !f.querySelector("table") && !f.parentElement.querySelector("table")).map(f => f.textContent)"""


def device_of(run):
    return run["system"]["gpus"][0]["name"] if run["system"]["gpus"] else run["system"]["cpu_model"]


def load_groups(folder):
    """What the runs that count say, by the name the page gives the case; computed here, not by the program."""
    groups = {}
    runs = [json.loads(file.read_text()) for file in sorted(folder.rglob("*.run.json"))]
    programs = {run["engine"]["name"] for run in runs}
    for run in runs:
        if run["case"]["warmup"] or run.get("kernels"):
            continue
        device = device_of(run)
        if len(programs) > 1:
            device += ", " + run["engine"]["name"]
        scope = run["workload"]["scope"]
        name = run["case"]["name"] + (" (warm)" if scope == "warm" else "")
        name += (" (empty page cache)" if run["workload"]["page_cache"] == "evicted" else "") + " — " + device
        group = groups.setdefault(name, {"seconds": [], "joules": [], "peaks": [], "runs": 0,
                                         "card": device_of(run), "doubtful": False})
        group["runs"] += 1
        if run["status"] != "ok" or any(flag["excludes"] for flag in run["validity"]):
            group["doubtful"] = True
            continue
        total = next(s for s in run["stages"] if s["kind"] == "parent")
        group["seconds"].append(total["wall_ns"] * 1e-9)
        if total["energy_j"]["value"] is not None:
            group["joules"].append(total["energy_j"]["value"])
        memory = [s["device_memory"]["process_peak_bytes"]["value"] for s in run["stages"]]
        group["peaks"].append(max((m for m in memory if m is not None), default=None))
        group["capacity"] = run["system"]["gpus"][0]["memory_bytes"]["value"] if run["system"]["gpus"] else None
    return groups


def number_of(text):
    return None if text.startswith("–") else float(text.split()[0])


def near(text, value):
    """Equal up to the digits shown: half a unit of the last one."""
    shown = number_of(text)
    if value is None or shown is None:
        return value is None and shown is None
    digits = len(text.split()[0].partition(".")[2])
    return abs(shown - value) <= 0.5 * 10 ** -digits * 1.0001


def between(text):
    """The two ends and the count of "26.46 to 26.65 s, n = 3"."""
    found = re.search(r"([\d.]+) to ([\d.]+)", text)
    count = re.search(r"n\s=\s(\d+)|of (\d+) runs|(\d+) runs$", text)
    return (found[1], found[2], int(next(g for g in count.groups() if g))) if found and count else None


def wrong_interval(text, values):
    """Up to five runs the ends are the extremes, and the page says how surely these cover the median."""
    if len(values) < 2:
        return None if between(text) is None else f"{text!r} of a single run"
    shown = between(text)
    if shown is None:
        return f"no interval in {text!r}"
    if shown[2] != len(values):
        return f"{text!r} of {len(values)} runs"
    if len(values) <= 5 and not (near(shown[0], min(values)) and near(shown[1], max(values))):
        return f"{text!r} of {sorted(values)}"
    if len(values) > 5 and not min(values) * 0.99 <= float(shown[0]) <= float(shown[1]) <= max(values) * 1.01:
        return f"{text!r} of {sorted(values)}"
    cover = 100 - 100 * 2 ** (1 - len(values))
    if "lowest to highest" in text and f"covers the median with {round(cover, 1):g} %" not in text:
        return f"{text!r}: the extremes cover with {cover} %"
    if "95 %" in text and len(values) <= 5:
        return f"{text!r} calls the extremes of {len(values)} runs 95 %"
    return None


def table_price(device):
    """Of a GPU-hour, by the project's own table."""
    prices = json.loads((pathlib.Path(__file__).resolve().parents[2] / "suites/prices.json").read_text())
    return next((c["per_gpu_hour"] for c in prices["cards"] if c["match"] in device), None)


def wrong_facts(shown, row, group):
    """Intervals, price, fit and run counts of one case."""
    seconds = group["seconds"]
    measured = {"seconds": seconds, "rate": [3600 / s for s in seconds], "energy": [j / 3600 for j in group["joules"]]}
    for key, values in measured.items():
        yield wrong_interval(shown[key + "-under"], values)
    yield wrong_interval(row["Interval"], seconds)
    price = table_price(group["card"])
    expected = None if price is None else price * statistics.median(seconds) / 3600
    for text in (shown["price"], row["Price per video"]):
        if (number_of(text) is None) != (expected is None) or expected and abs(number_of(text) - expected) > 0.005 * expected:
            yield f"price {text}, expected {expected}"
    peaks = [p for p in group["peaks"] if p is not None]
    if len(peaks) == len(seconds) and group["capacity"]:
        peak, gib = statistics.median(peaks), 2 ** 30
        free = group["capacity"] - peak
        if not near(shown["memory"], peak / gib):
            yield f"memory shows {shown['memory']}, the records say {peak / gib} GiB"
        fit = f"fits, {free / gib:.2f} GiB ({100 * free / group['capacity']:.0f} %) free"
        for text in (shown["memory-under"], row["Memory"]):
            if not text.startswith(fit):
                yield f"fit {text!r}, the records say {fit!r}"
    runs = f"{len(seconds)} of {group['runs']} run" + ("" if group["runs"] == 1 else "s")
    for text in (shown["sure"].removeprefix("How sure are we? "), row["Sure?"]):
        if not re.match(re.escape(runs) + r"\b", text):
            yield f"runs {text!r}, the records say {runs!r}"


def wrong_numbers(first_screen, rows, groups):
    if len(first_screen) != len(groups):
        yield f"{len(groups)} groups of runs, {len(first_screen)} cases on the page"
    for shown in first_screen:
        group = groups.get(shown["name"])
        if group is None:
            yield f"no such group of runs: {shown['name']}"
            continue
        if group["doubtful"]:
            continue
        seconds = statistics.median(group["seconds"])
        joules = statistics.median(group["joules"]) if group["joules"] else None
        expected = {"seconds": seconds, "rate": 3600 / seconds, "energy": None if joules is None else joules / 3600}
        for key, value in expected.items():
            if not near(shown[key], value):
                yield f"{shown['name']}: {key} shows {shown[key]}, the records say {value}"
        if joules is not None and "±5 %" not in shown["energy-under"]:
            yield f"{shown['name']}: energy without the accuracy of its meter: {shown['energy-under']}"
        row = next(r for r in rows if r["Case"] + " — " + r.get("Device", group["card"]) == shown["name"])
        for cell, key in (("Seconds per video", "seconds"), ("Videos per hour", "rate"), ("Wh per video, card", "energy")):
            if not near(row[cell], expected[key]):
                yield f"{shown['name']}: row {row} against {expected[key]}"
        yield from (f"{shown['name']}: {p}" for p in wrong_facts(shown, row, group) if p)


def wrong_videos(shown, cases, folder):
    """A video where its file is beside the page, else its still alone; under it what was asked for."""
    for caption, case in zip([each.pop("caption") for each in shown], [c for c in cases if c["video"]]):
        if case["workload"]["prompt"] not in caption:
            yield f"caption {caption!r} without its prompt"
    expected = [{"video": folder.joinpath(*c["video"]["path"]).exists(), "still": c["video"]["poster"] is not None}
                for c in cases if c["video"]]
    if shown != expected:
        yield f"videos and stills shown: {shown}, expected {expected}"


def wrong_bars(bars, cases):
    """Each part of each case as its own bar: solid on the GPU, striped elsewhere; and nothing beside them."""
    cases = [c for c in cases if c["headline"]["parts"]]
    if len(bars["rows"]) != len(cases):
        yield f"{len(bars['rows'])} bars of {len(cases)} cases"
        return
    for row, case in enumerate(cases):
        if bars["rows"][row] != case["title"] + ("" if case["counts"] else " (not counted)"):
            yield f"bar {bars['rows'][row]!r} of {case['title']!r}"
        drawn = {(s["label"].split(" (")[0], not s["striped"]): s["values"][row] for s in bars["series"] if s["values"][row]}
        known = {(p["name"], p["place"] == "gpu"): p["seconds"] for p in case["headline"]["parts"] if p["seconds"]}
        if drawn != known:
            yield f"{case['title']}: bars {drawn}, the data say {known}"


def check_price(browser):
    """A typed price multiplies the card time, everywhere."""
    before = browser.evaluate('JSON.parse(document.getElementById("data").textContent).cases.findIndex('
                              "c => c.headline.price.gpu_hours !== null && c.counts)")
    if before < 0:
        return []
    shown = browser.evaluate(f"""(() => {{
      const select = document.getElementById("case");
      if (select) {{ select.selectedIndex = {before}; select.dispatchEvent(new Event("change")); }}
      const input = document.querySelector("#answer-price input");
      input.value = "7.2";
      input.dispatchEvent(new Event("input"));
      return {{tile: document.querySelector("#answer-price .tile-value").textContent,
               row: document.querySelectorAll("#answer table.cards tbody tr")[{before}]
                 .querySelector("[data-label='Price per video']").textContent,
               hours: JSON.parse(document.getElementById("data").textContent).cases[{before}].headline.price.gpu_hours}};
    }})()""")
    value = 7.2 * shown["hours"]
    return [f"typed price: {key} shows {shown[key]}, expected {value}" for key in ("tile", "row")
            if abs(number_of(shown[key]) - value) > 0.01 * value]


def check_paper(browser, url, shots):
    """As the browser prints: the page hears of it while it still has its width on the screen, then is laid out for A4."""
    paper = 718  # pixels between margins of 1 cm
    browser.open(url, 1280, 900)
    wide = browser.evaluate("(window.dispatchEvent(new Event('beforeprint')), %s)" % (WIDE_CANVASES % paper))  # at once
    problems = [f"chart drawn wider than the paper: {label}" for label in wide]
    browser.call("Emulation.setEmulatedMedia", media="print", features=[])
    browser.call("Emulation.setDeviceMetricsOverride", width=paper, height=1016, deviceScaleFactor=1, mobile=False)
    browser.evaluate("new Promise(done => setTimeout(done, 300))")
    problems += [f"wider than the paper: {e}" for e in browser.evaluate(WIDER_THAN_PAPER)]
    browser.screenshot(shots / "paper.png")
    browser.call("Emulation.setEmulatedMedia", media="", features=[])
    browser.evaluate("window.dispatchEvent(new Event('afterprint'))")
    if browser.evaluate('document.querySelectorAll("details.case[open]").length') != 1:
        problems.append("folds opened for paper stay open")
    return ["paper: " + p for p in problems + list(complaints(browser.events))]


def check_folder(browser, folder, shots):
    problems = []
    groups = load_groups(folder)
    url = (folder / "report.html").resolve().as_uri()
    has_charts = '"use strict"' in (folder / "report.html").read_text() and "Chart.js v" in (
        folder / "report.html").read_text()
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            browser.open(url, width, WIDTHS[width], scheme)
            where = f"{width} px, {scheme}: "
            browser.screenshot(shots / f"top-{width}-{scheme}.png", WIDTHS[width])
            browser.screenshot(shots / f"page-{width}-{scheme}.png")
            canvases = browser.evaluate(CANVASES)
            if has_charts and len(canvases) < 3:
                problems.append(where + f"{len(canvases)} charts")
            problems += [where + f"empty chart: {c['label']}" for c in canvases if c["colours"] < 3]
            problems += [where + f"wider than the window: {e}" for e in browser.evaluate(WIDER)]
            problems += [where + f"chart without table: {e}" for e in browser.evaluate(UNTABLED)]
            problems += [where + v for v in browser.evaluate(VIDEOS) + browser.evaluate(STILLS)]
            problems += [where + v for v in wrong_videos(browser.evaluate(SHOWN), browser.evaluate(CASES), folder)]
            if has_charts:
                problems += [where + p for p in wrong_bars(browser.evaluate(BARS), browser.evaluate(CASES))]
            first_screen = browser.evaluate(FIRST_SCREEN)
            rows = browser.evaluate(ROWS)
            problems += [where + p for p in wrong_numbers(first_screen, rows, groups)]
            if browser.evaluate("typeof window.hostile") != "undefined":
                problems.append(where + "text of a record ran as script")
            problems += [where + p for p in check_price(browser)]
            browser.evaluate('document.querySelectorAll("details.case").forEach(d => d.open = true)')
            browser.evaluate("new Promise(done => setTimeout(done, 300))")
            problems += [where + f"empty chart: {c['label']}" for c in browser.evaluate(CANVASES) if c["colours"] < 3]
            problems += [where + f"wider than the window: {e}" for e in browser.evaluate(WIDER)]
            problems += [where + f"to repeat it: {shown!r}, not {known!r}" for shown, known in browser.evaluate(REPEATED)
                         if shown != known]
            problems += [where + p for p in complaints(browser.events)]
    return problems + check_paper(browser, url, shots)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--example", help="program that writes the example folder")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for profile, example, screenshots")
    parser.add_argument("--report", type=pathlib.Path, help="check this results folder instead of the example")
    options = parser.parse_args()
    program = find_browser()
    if program is None:
        return skipped("no chromium on this machine (Debian: apt install chromium)")
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    folder = options.report
    if folder is None:
        folder = options.work / "example"
        subprocess.run([options.example, str(folder)], check=True)
    browser = Browser(program, options.work / "profile")
    try:
        problems = check_folder(browser, folder, options.work)
    finally:
        browser.close()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
