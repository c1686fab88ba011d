#!/usr/bin/env python3
"""Opens report.html in headless Chromium through the DevTools protocol over a pipe, at a desk's and a phone's width, light and
dark, and as on paper: no console error, nothing fetched, charts drawn, nothing wider than the window or the paper; above the fold a
sentence and a chart with its bars in order; and every number, interval, price and run count equal to what the record files say. Standard library only. Exit code 77: no browser here (an error where CI=true)."""
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

WIDTHS = {1280: 800, 390: 844}
KINDS = ("mixed", "demo", "one_card", "four_cards", "ablation", "failures", "fidelity", "load", "mlperf", "load_alone")


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
# What stands on the page in order, where the first things end, and each bar with its words.
STRUCTURE = """(() => {
  const below = (node) => (node ? node.getBoundingClientRect().bottom + scrollY : null);
  return {sections: [...document.getElementById("report").children].map(e => e.id || e.tagName.toLowerCase()),
    answer: [...document.getElementById("answer").children].map(e => e.id || e.className || e.tagName.toLowerCase()),
    sentence: below(document.getElementById("sentence")), first_bar: below(document.querySelector(".bars .bar")),
    last_bar: below(document.querySelector(".bars .bar:last-child")), videos: below(document.querySelector("#answer video"))};
})()"""
# Every chart that can be chosen, in every unit; then the first one again.
CHARTS = """(() => {
  const pick = (id, i) => {
    const select = document.getElementById(id);
    if (!select) return 1;
    select.selectedIndex = i;
    select.dispatchEvent(new Event("change"));
    return select.options.length;
  };
  const options = (id) => (document.getElementById(id) ? document.getElementById(id).options.length : 1);
  const words = (bar, part) => (bar.querySelector(".bar-" + part) || {textContent: ""}).textContent;
  const read = () => [...document.querySelectorAll(".bars .bar")].map(bar => ({name: words(bar, "name"),
    value: words(bar, "value"), note: words(bar, "note"), doubtful: bar.classList.contains("doubtful"),
    gap: bar.classList.contains("gap"), widths: [...bar.querySelectorAll(".bar-track > span")].map(s => parseFloat(s.style.width))}));
  const out = [];
  for (let kind = 0; kind < options("kind"); ++kind) {
    pick("kind", kind);
    for (let i = 0; i < options("case"); ++i) {
      pick("case", i);
      const name = document.querySelector("#answer-chart figcaption").textContent.split(": ").slice(1).join(": ");
      const shown = {name, sentence: document.getElementById("sentence").textContent, units: {}};
      const units = [...document.querySelectorAll(".units input")].map(e => e.value);
      for (const unit of units.length ? units : ["seconds"]) {
        const radio = document.querySelector(".units input[value=" + unit + "]");
        if (radio) radio.click();
        const more = document.querySelector(".more");
        if (more) more.click();
        shown.units[unit] = read();
      }
      const first = document.querySelector(".units input");
      if (first) first.click();
      out.push(shown);
    }
  }
  pick("kind", 0);
  pick("case", 0);
  return out;
})()"""
ROWS = """[...document.querySelector("#every table").tBodies[0].rows].map(row =>
  Object.fromEntries([...row.cells].map(cell => [cell.dataset.label, cell.textContent])))"""
SORTED = """[1, 2].map(() => {
  const table = document.querySelector("#every table");
  const head = [...table.querySelectorAll("th button")].find(b => b.textContent === "Seconds");
  head.click();
  return {sort: head.closest("th").getAttribute("aria-sort"), values:
    [...table.tBodies[0].rows].map(r => r.querySelector("[data-label='Seconds']").textContent)};
})"""
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
DATA = 'JSON.parse(document.getElementById("data").textContent)'
CASES = DATA + ".cases"
REPEATED = """(() => {
  const shown = [...document.querySelectorAll("details.case")].map(d => d.querySelector("pre.repeat"));
  return shown.map((pre, i) => [pre ? pre.textContent : "", %s[i].provenance.repeat_command]);
})()""" % CASES
SHOWN = """[...document.querySelectorAll(".videos figure")].map(f => ({video: !!f.querySelector("video"),
  still: !!f.querySelector("img, video[poster]"), caption: f.querySelector("figcaption").textContent}))"""
# All cases: in a fold where they are many.
BARS = """(async () => {
  document.querySelectorAll("#where details").forEach(d => { if (d.querySelector("canvas")) d.open = true; });
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
        if run["case"]["warmup"] or run.get("kernels") or run.get("fidelity"):
            continue
        device = device_of(run)
        if len(programs) > 1:
            device += ", " + run["engine"]["name"]
        scope = run["workload"]["scope"]
        name = run["case"]["name"] + (" (warm)" if scope == "warm" else "")
        name += (" (empty page cache)" if run["workload"]["page_cache"] == "evicted" else "") + " — " + device
        group = groups.setdefault(name, {"seconds": [], "joules": [], "peaks": [], "runs": 0,
                                         "card": device_of(run), "doubtful": False,
                                         "on_gpu": bool(run["system"]["gpus"])})
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
    count = re.search(r"n\s=\s(\d+)|of (\d+) runs|(\d+) runs\b", text)
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


def expected_values(group):
    """By unit, of the runs that count; None where the records have no such value."""
    price, joules = table_price(group["card"]), group["joules"]
    return {"seconds": group["seconds"], "energy": [j / 3600 for j in joules],
            "money": [price * s / 3600 for s in group["seconds"]] if price and group["on_gpu"] else []}


def wrong_row(row, group):
    """The numbers of a case in the table of all."""
    values = expected_values(group)
    seconds = statistics.median(values["seconds"])
    joules = statistics.median(values["energy"]) if values["energy"] else None
    for cell, value in (("Seconds", seconds), ("Videos an hour", 3600 / seconds), ("Wh", joules)):
        if not near(row[cell], value):
            yield f"{cell} shows {row[cell]}, the records say {value}"
    yield wrong_interval(row["Interval"], group["seconds"])
    yield wrong_money(row["Price"], values["money"])
    peaks = [p for p in group["peaks"] if p is not None]
    if len(peaks) == len(group["seconds"]) and not near(row["Memory"], statistics.median(peaks) / 2 ** 30):
        yield f"peak {row['Peak memory']}, the records say {statistics.median(peaks)} bytes"
    runs = f"{len(group['seconds'])} of {group['runs']} run" + ("" if group["runs"] == 1 else "s")
    if not row["How sure"].endswith(runs):
        yield f"runs {row['How sure']!r}, the records say {runs!r}"


def wrong_money(text, values):
    expected = statistics.median(values) if values else None
    if (number_of(text) is None) != (expected is None) or expected and abs(number_of(text) - expected) > 0.005 * expected:
        return f"price {text}, expected {expected}"
    return None


def group_of(case, groups):
    return next((g for name, g in groups.items() if name.startswith(case["title"] + " — " + case["device"])
                 and (not name.split(case["device"])[-1] or name.endswith(", " + case["engine"]))), None)


def wrong_rows(rows, cases, groups):
    if len(rows) != len(cases) or len(cases) != len(groups):
        yield f"{len(groups)} groups of runs, {len(cases)} cases, {len(rows)} rows"
    for case in cases:
        group = group_of(case, groups)
        if group is None:
            yield f"no such group of runs: {case['title']} on {case['device']}"
            continue
        if group["doubtful"]:
            continue
        row = next((r for r in rows if r["Case"] == case["title"] and r.get("Card", case["card"]) == case["card"]
                    and r.get("Program", case["engine"]) == case["engine"]), None)
        if row is None:
            yield f"no row of {case['title']}"
            continue
        yield from (f"{case['title']}: {p}" for p in wrong_row(row, group) if p)


def wrong_bar(bar, shown, case, group, unit):
    """One bar in one unit."""
    if shown["doubtful"] != bool(bar["doubt"]):
        yield f"doubtful: {shown['doubtful']}, its doubt is {bar['doubt']!r}"
    if group["doubtful"]:
        return
    values = expected_values(group)[unit]
    if unit == "money":
        yield wrong_money(shown["value"], values)
    elif not near(shown["value"], statistics.median(values) if values else None):
        yield f"{unit} shows {shown['value']}, the records say {values}"
    if unit == "seconds" and len(values) > 1 and "runs" in shown["note"]:
        yield wrong_interval(shown["note"], values)
    gpu = case["headline"]["gpu_share"]
    if unit == "seconds" and case["on_gpu"] and abs(shown["widths"][0] - gpu * sum(shown["widths"][:2])) > 0.1:
        yield f"the card's part is drawn as {shown['widths']}, its share is {gpu}"


def wrong_charts(charts, data, groups):
    """Each chart holds the bars of the data in order, and each bar the numbers of the records."""
    if sorted(c["name"] for c in charts) != sorted(c["name"] for c in data["answer"]["charts"]):
        yield f"charts {[c['name'] for c in charts]} are not those of the data"
        return
    for known in data["answer"]["charts"]:
        shown = next(c for c in charts if c["name"] == known["name"])
        cases = [data["cases"][bar["case"]] for bar in known["bars"]]
        if len({c["device"] for c in cases}) > 1 and len({c["engine"] for c in cases}) > 1:
            yield f"{known['name']}: cards and programs at once"
        if shown["sentence"] != known["sentence"]:
            yield f"{known['name']}: says {shown['sentence']!r}"
        for unit, bars in shown["units"].items():
            drawn = [b for b in bars if not b["gap"]]
            if [b["name"] for b in bars if b["gap"]] != [g["label"] for g in known["gaps"]]:
                yield f"{known['name']}: cases without a video are {[b for b in bars if b['gap']]}"
            if len(drawn) != len(known["bars"]):
                yield f"{known['name']}: {len(drawn)} bars of {len(known['bars'])}"
                continue
            if unit == "seconds" and [b["name"] for b in drawn] != [b["label"] for b in known["bars"]]:
                yield f"{known['name']}: the order is {[b['name'] for b in drawn]}"
            ranks = [(b["value"].startswith("–"), b["doubtful"], number_of(b["value"]) or 0) for b in drawn]
            if ranks != sorted(ranks):
                yield f"{known['name']}, {unit}: not sorted: {ranks}"
            for bar in drawn:
                of = next(i for i, b in enumerate(known["bars"]) if b["label"] == bar["name"])
                found = wrong_bar(known["bars"][of], bar, cases[of], group_of(cases[of], groups), unit)
                yield from (f"{known['name']}, {bar['name']}: {p}" for p in found if p)


def wrong_structure(shown, data, height, kind):
    """Sentence, second line, videos of a demo, switches, chart: these alone before what is below the fold."""
    answer = data["answer"]
    if shown["sections"][:2] != ["header", "answer"] or shown["sections"][-1] != "provenance":
        yield f"the page's order is {shown['sections']}"
    if not shown["sentence"] < height:
        yield f"the sentence ends at {shown['sentence']} of {height} px"
    if not answer["charts"]:
        if shown["answer"] != ["sentence"] or shown["sections"][2] != "failures":
            yield f"of failures alone the page shows {shown['answer']}, then {shown['sections'][2]}"
        return
    expected = ["sentence", "rest"] + (["videos"] if answer["is_example"] else []) + ["switches", "answer-chart", "div"]
    if shown["answer"] != expected:
        yield f"the answer holds {shown['answer']}, expected {expected}"
    if answer["is_example"]:
        if not shown["videos"] < height or not shown["videos"] < shown["first_bar"]:
            yield f"the videos of a demo end at {shown['videos']} of {height} px"
    elif not shown["first_bar"] < height:
        yield f"the first bar ends at {shown['first_bar']} of {height} px"
    if kind in ("one_card", "four_cards") and not shown["last_bar"] < height:
        yield f"the last bar ends at {shown['last_bar']} of {height} px"


def wrong_order(clicks):
    """Up at the first click, down at the second; dashes last."""
    for click, (sort, sign) in zip(clicks, (("ascending", 1), ("descending", -1))):
        numbers = [number_of(v) for v in click["values"]]
        known = [n for n in numbers if n is not None]
        if click["sort"] != sort or numbers[:len(known)] != sorted(known, key=lambda n: sign * n):
            yield f"sorted {click['sort']}: {click['values']}"


def as_shown(text):
    """What steers a terminal or turns the direction of writing is a box on the page."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]", "\ufffd", text)


def wrong_videos(shown, cases, folder):
    """A video where its file is beside the page, else its still alone; under it what was asked for."""
    for caption, case in zip([each.pop("caption") for each in shown], [c for c in cases if c["video"]]):
        if as_shown(case["workload"]["prompt"]) not in caption:
            yield f"caption {caption!r} without its prompt"
    expected = [{"video": folder.joinpath(*c["video"]["path"]).exists(), "still": c["video"]["poster"] is not None}
                for c in cases if c["video"]]
    if shown != expected:
        yield f"videos and stills shown: {shown}, expected {expected}"


def by_seconds(cases):
    return sorted(cases, key=lambda c: (not c["counts"], c["headline"]["seconds"]["value"]))


def wrong_bars(bars, cases):
    """Each part of each case as its own bar: solid on the GPU, striped elsewhere; and nothing beside them."""
    cases = by_seconds([c for c in cases if c["headline"]["parts"]])
    if len(bars["rows"]) != len(cases):
        yield f"{len(bars['rows'])} bars of {len(cases)} cases"
        return
    for row, case in enumerate(cases):
        if bars["rows"][row] != case["title"] + ("" if case["counts"] else " (does not count)"):
            yield f"bar {bars['rows'][row]!r} of {case['title']!r}"
        drawn = {(s["label"].split(" (")[0], not s["striped"]): s["values"][row] for s in bars["series"] if s["values"][row]}
        known = {(p["name"], p["place"] == "gpu"): p["seconds"] for p in case["headline"]["parts"] if p["seconds"]}
        if drawn != known:
            yield f"{case['title']}: bars {drawn}, the data say {known}"


def check_price(browser):
    """A typed price multiplies the card time, in the chart and in the table."""
    shown = browser.evaluate("""(() => {
      const money = document.querySelector(".units input[value=money]");
      if (!money) return null;
      money.click();
      const data = JSON.parse(document.getElementById("data").textContent), bar = data.answer.charts[0].bars[0];
      const input = document.querySelector("#answer .prices input");
      input.value = "7.2";
      input.dispatchEvent(new Event("input"));
      const names = [...document.querySelectorAll(".bars .bar")];
      const drawn = names.find(b => b.querySelector(".bar-name").textContent === bar.label);
      const c = data.cases[bar.case];
      const row = [...document.querySelector("#every table").tBodies[0].rows].find(r => r.cells[0].textContent === c.title
        && [...r.cells].every(cell => cell.dataset.label !== "Card" || cell.textContent === c.card));
      const out = {bar: drawn.querySelector(".bar-value").textContent,
               row: row.querySelector("[data-label='Price']").textContent, hours: c.headline.price.gpu_hours,
               sentence: document.getElementById("sentence").textContent, listed: data.answer.charts[0].sentence,
               verdict: data.answer.charts[0].verdict,
               typed: [...document.querySelectorAll(".bars .bar:not(.doubtful) .bar-value")].map(b => b.textContent)};
      document.querySelector(".units input").click();
      return out;
    })()""")
    if shown is None:
        return []
    return list(wrong_typed_sentence(shown)) + wrong_typed_price(shown)


def wrong_typed_sentence(shown):
    """The sentence of a chart of cards follows the typed price; others say nothing of it."""
    priced = [text for text in shown["typed"] if number_of(text) is not None]
    if not shown["verdict"] or len(priced) < 2:
        expected = shown["verdict"] + "." if shown["verdict"] else shown["listed"]
        if shown["sentence"] != expected:
            yield f"with a typed price it says {shown['sentence']!r}, expected {expected!r}"
        return
    said = [part for part in (shown["verdict"] + "; at the prices you typed", priced[0], priced[1]) if part not in shown["sentence"]]
    if said:
        yield f"with a typed price it says {shown['sentence']!r}, without {said}"


def wrong_typed_price(shown):
    value = 7.2 * shown["hours"]
    return [f"typed price: {key} shows {shown[key]}, expected {value}" for key in ("bar", "row")
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
    if browser.evaluate('document.querySelectorAll("details.case[open], .case-body > *").length') != 0:
        problems.append("folds were opened or filled for paper")
    return ["paper: " + p for p in problems + list(complaints(browser.events))]


# Each chart by each measure: its points, the frontier's, the table's rows; the stills that can be drawn.
FIDELITY = """(async () => {
  const charts = [];
  for (const box of document.querySelectorAll(".fidelity-chart")) {
    const select = box.querySelector("select");
    for (let i = 0; i < select.options.length; ++i) {
      select.selectedIndex = i;
      select.dispatchEvent(new Event("change"));
      await new Promise(done => setTimeout(done, 50));
      const drawn = Chart.getChart(box.querySelector("canvas"));
      const sets = drawn.data.datasets;
      charts.push({measure: select.options[i].textContent, reverse: !!drawn.options.scales.y.reverse,
        top: drawn.scales.y.getPixelForValue(sets[0].data[0].y),
        points: sets.slice(0, -1).map(s => ({label: s.label, at: s.data[0], pixel: drawn.scales.y.getPixelForValue(s.data[0].y)})),
        area: drawn.chartArea.top, frontier: sets[sets.length - 1].data,
        rows: [...box.querySelectorAll("tbody tr")].map(r => [...r.cells].map(c => c.textContent))});
    }
    select.selectedIndex = 0;
    select.dispatchEvent(new Event("change"));
  }
  const stills = await Promise.all([...document.querySelectorAll(".stills img")].map(async i => {
    i.loading = "eager";
    try { await i.decode(); } catch (problem) { return "a still that is no picture: " + problem; }
    return {width: i.naturalWidth, height: i.naturalHeight, alt: i.alt};
  }));
  return {charts, stills, notices: [...document.querySelectorAll("#fidelity .notice")].map(n => n.textContent),
    badges: [...document.querySelector("#every table").tBodies[0].rows].filter(r => r.textContent.includes("class refuted")).map(r => r.cells[0].textContent)};
})()"""


def wrong_fidelity(shown, data):
    """Points, frontier and stills are those of the data; identical ones lie on the upper edge; a refuted class is said."""
    measures, charts = data["fidelity"]["measures"], data["fidelity"]["charts"]
    if len(shown["charts"]) != len(measures) * len(charts):
        yield f"{len(shown['charts'])} views of {len(charts)} charts by {len(measures)} measures"
        return
    for place, drawn in enumerate(shown["charts"]):
        known, i = charts[place // len(measures)], place % len(measures)
        points = [p for p in known["points"] if p["identical"] or p["values"][i] is not None]
        for p, d in zip(points, drawn["points"], strict=True):
            if d["at"]["x"] != p["seconds"] or not p["identical"] and d["at"]["y"] != p["values"][i]:
                yield f"{d['label']} is drawn at {d['at']}, the data say {p}"
            if p["identical"] != (abs(d["pixel"] - drawn["area"]) < 1):
                yield f"{drawn['measure']}: {d['label']} is {d['pixel'] - drawn['area']} px below the upper edge, identical: {p['identical']}"
        if [f["x"] for f in drawn["frontier"]] != [p["seconds"] for p in points if p["on_frontier"][i]]:
            yield f"{drawn['measure']}: the frontier is {drawn['frontier']}"
        if drawn["reverse"] == measures[i]["more_is_better"]:
            yield f"{drawn['measure']}: better is not up"
        if len(drawn["rows"]) != len(known["points"]):
            yield f"{len(drawn['rows'])} rows of {len(known['points'])} points"
    expected = 3 * sum(not pair["still"]["reason"] for pair in data["fidelity"]["pairs"])
    if len(shown["stills"]) != expected or any(isinstance(s, str) or s["width"] > 640 or not s["alt"] for s in shown["stills"]):
        yield f"stills {shown['stills']}, expected {expected}"
    refuted = [c["title"] for c in data["cases"] if c["refuted"]]
    if sorted(refuted) != sorted(shown["badges"]) or len(shown["notices"]) != len(refuted):
        yield f"refuted are {refuted}, the page says {shown['badges']} and {shown['notices']}"


# What stands in the section of a server under load: the points of its lines, the rows of its table.
LOAD = """(() => {
  const box = document.getElementById("load"), canvas = box.querySelector("canvas");
  return {points: canvas && typeof Chart != "undefined" ? Chart.getChart(canvas).data.datasets.map(s => s.data.map(p => [p.x, p.y])) : null,
    rows: [...box.querySelector("table").tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent)), text: box.textContent};
})()"""


def wrong_load(shown, data):
    """A row a level, two points of a line for each, and what the server calls itself as text."""
    levels = data["loads"][0]["levels"]
    if [row[0] for row in shown["rows"]] != [level["name"] for level in levels]:
        yield f"rows {shown['rows']}"
    if shown["points"] is not None and sum(len(line) for line in shown["points"]) != 2 * len(levels):
        yield f"points {shown['points']} of {len(levels)} levels"
    for row, level in zip(shown["rows"], levels):
        if row[1] != f"{level['completed']} of {level['asked']}" or not near(row[2], 3600 * level["per_s"]["value"]):
            yield f"row {row} of {level}"
    if "window.hostile=1" not in shown["text"] or "429 queue_full" not in shown["text"]:
        yield "the model's name or the failure is not said"


MLPERF = """(() => {
  const box = document.getElementById("mlperf");
  return box && {rows: [...box.querySelector("table").tBodies[0].rows].map(r => [...r.cells].map(c => c.textContent)), text: box.textContent};
})()"""


def wrong_mlperf(shown, data, kind):
    """On the page of the same work alone: ours first and said to be unofficial, a row an entry, sources below."""
    if (shown is None) != (kind != "mlperf"):
        yield "the table of MLPerf is where it should not be, or not where it should"
    if shown is None or kind != "mlperf":
        return
    rows = data["mlperf"]["rows"]
    if len(shown["rows"]) != len(rows) or [row["ours"] for row in rows] != [True] + [False] * (len(rows) - 1):
        yield f"rows {shown['rows']}"
    for row, known in zip(shown["rows"], rows):
        numbers = [known[key]["value"] for key in ("seconds", "per_hour", "card_seconds", "queued_card_seconds")]
        if row[2] != known["cards"] or row[3] != known["precision"] or row[0].startswith("unofficial") != known["ours"]:
            yield f"row {row} of {known}"
        yield from [f"row {row}: {text} for {value}" for text, value in zip(row[4:], numbers) if not near(text, value)]
    for words in ["unofficial comparison", "not verified by MLCommons Association"] + [source["text"] for source in data["mlperf"]["sources"]]:
        if words not in shown["text"]:
            yield f"not said: {words}"


def check_load_alone(browser):
    """A report without a record: the section alone."""
    problems = list(wrong_load(browser.evaluate(LOAD), browser.evaluate(DATA)))
    problems += [f"empty chart: {c['label']}" for c in browser.evaluate(CANVASES) if c["colours"] < 3]
    sections = browser.evaluate(STRUCTURE.replace("[...document.getElementById(\"answer\").children]", "[]"))["sections"]
    if sections != ["header", "load", "provenance"]:
        problems.append(f"the page's order is {sections}")
    problems += [f"wider than the window: {e}" for e in browser.evaluate(WIDER)]
    if browser.evaluate("typeof window.hostile") != "undefined":
        problems.append("text of a server ran as script")
    return problems + list(complaints(browser.events))


def check_page(browser, folder, groups, height, kind):
    """What holds before anything is opened, then with every fold open."""
    if kind == "load_alone":
        return check_load_alone(browser)
    data = browser.evaluate(DATA)
    problems = list(wrong_structure(browser.evaluate(STRUCTURE), data, height, kind))
    problems += wrong_load(browser.evaluate(LOAD), data) if kind == "load" else []
    problems += wrong_mlperf(browser.evaluate(MLPERF), data, kind)
    problems += browser.evaluate(VIDEOS) + browser.evaluate(STILLS)
    problems += wrong_videos(browser.evaluate(SHOWN), data["cases"], folder)
    has_parts = any(c["headline"]["parts"] for c in data["cases"])
    if has_parts and browser.evaluate('typeof Chart != "undefined"'):
        canvases = browser.evaluate(CANVASES)
        problems += [] if canvases else ["no chart is drawn"]
        problems += [f"empty chart: {c['label']}" for c in canvases if c["colours"] < 3]
        problems += wrong_bars(browser.evaluate(BARS), data["cases"])
    problems += [f"chart without table: {e}" for e in browser.evaluate(UNTABLED)]
    problems += wrong_rows(browser.evaluate(ROWS), data["cases"], groups)
    problems += wrong_order(browser.evaluate(SORTED)) if len(data["cases"]) > 1 else []
    if data["answer"]["charts"]:
        problems += wrong_charts(browser.evaluate(CHARTS), data, groups)
        problems += check_price(browser)
    if kind == "fidelity" and browser.evaluate('typeof Chart != "undefined"'):
        problems += wrong_fidelity(browser.evaluate(FIDELITY), data)
    problems += [f"wider than the window: {e}" for e in browser.evaluate(WIDER)]
    browser.evaluate('document.querySelectorAll("details").forEach(d => d.open = true)')
    browser.evaluate("new Promise(done => setTimeout(done, 600))")
    problems += [f"empty chart: {c['label']}" for c in browser.evaluate(CANVASES) if c["colours"] < 3]
    problems += [f"wider than the window: {e}" for e in browser.evaluate(WIDER)]
    problems += [f"to repeat it: {shown!r}, not {known!r}" for shown, known in browser.evaluate(REPEATED) if shown != known]
    if browser.evaluate("/[\\u061c\\u202a-\\u202e\\u2066-\\u2069\\u001b]/.test(document.title + document.body.innerText)"):
        problems.append("text of a record turns the direction of writing, or steers a terminal")
    if browser.evaluate("typeof window.hostile") != "undefined":
        problems.append("text of a record ran as script")
    return problems + list(complaints(browser.events))


def check_folder(browser, folder, shots, kind):
    problems = []
    groups = load_groups(folder)
    url = (folder / "report.html").resolve().as_uri()
    for width, height in WIDTHS.items():
        for scheme in ("light", "dark"):
            browser.open(url, width, height, scheme)
            browser.screenshot(shots / f"{kind}-{width}-{scheme}.png", height)
            problems += [f"{kind}, {width} px, {scheme}: {p}" for p in check_page(browser, folder, groups, height, kind)]
    return problems + [f"{kind}, {p}" for p in check_paper(browser, url, shots)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--example", help="program that writes an example folder")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for profile, example, screenshots")
    parser.add_argument("--report", type=pathlib.Path, help="check this results folder instead of the examples")
    options = parser.parse_args()
    program = find_browser()
    if program is None:
        return skipped("no chromium on this machine (Debian: apt install chromium)")
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    folders = {"given": options.report} if options.report else {kind: options.work / kind for kind in KINDS}
    for kind in [] if options.report else KINDS:
        subprocess.run([options.example, str(folders[kind]), kind], check=True)
    browser = Browser(program, options.work / "profile")
    problems = []
    try:
        for kind, folder in folders.items():
            problems += check_folder(browser, folder, options.work, kind)
    finally:
        browser.close()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
