#!/usr/bin/env python3
"""Drives the page of `wanbench serve` in headless Chromium at a desk's and a phone's width: from the form to a playing video with the
small model. No console error, no request to another place, nothing wider than the window, every control with a name, the whole way
by keyboard. Screenshots stay in --work. Exit code 77: no browser here (an error where CI=true).

Usage: page_test.py BUILD_DIR --work DIR
"""
import argparse
import os
import pathlib
import shutil
import sys
import time

import serving

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "report"))
from browser import Browser, find_browser, skipped  # noqa: E402

WIDTHS = {1280: 900, 390: 844}
UNNAMED = """[...document.querySelectorAll("button, input, select, textarea, video, a[href]")].filter(e => e.offsetParent !== null)
  .filter(e => !((e.labels && e.labels.length) || e.getAttribute("aria-label") || e.textContent.trim())).map(e => e.outerHTML)"""
PLAYED = """(async () => {
  const video = document.querySelector("article video");
  if (!video) return "no video";
  video.muted = true;
  await video.play();
  for (let i = 0; i < 200 && video.currentTime === 0; ++i) await new Promise(done => setTimeout(done, 20));
  return video.currentTime > 0 && video.videoWidth === 128 ? "played" : "at " + video.currentTime + ", " + video.videoWidth;
})()"""


def complaints(events, own):
    for event in events:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            yield f"exception: {params['exceptionDetails']}"
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            yield f"console: {params['args']}"
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            yield f"log: {params['entry']}"
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith((own, "data:", "blob:")):
            yield f"request: {params['request']['url']}"


def until(browser, expression, what):
    deadline = time.monotonic() + serving.WAITS
    while time.monotonic() < deadline:
        if browser.evaluate(expression):
            return
        time.sleep(0.05)
    raise SystemExit(f"{what}: not within {serving.WAITS} s; the page says: " + str(browser.evaluate("document.body.innerText")))


def press(browser, key, text=""):
    codes = {"Tab": 9, "Enter": 13}
    for kind in ("keyDown", "keyUp"):
        event = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        if kind == "keyDown" and text:
            event["text"] = text
        browser.call("Input.dispatchKeyEvent", **event)


def by_keyboard(browser, prompt):
    """Types a prompt, goes on to the button and presses it, with nothing but keys."""
    browser.evaluate("document.getElementById('prompt').focus()")
    browser.call("Input.insertText", text=prompt)
    for _ in range(12):
        press(browser, "Tab")
        if browser.evaluate("document.activeElement.type") == "submit":
            press(browser, "Enter", "\r")
            return
    raise SystemExit("the button is not reached by Tab")


def drive(browser, server, width, height, work, scheme):
    own = f"http://127.0.0.1:{server.port}/"
    faults = []
    browser.open(own, width, height, scheme)
    until(browser, "document.getElementById('model').textContent !== '…'", "the model's name")
    before = browser.evaluate("document.querySelectorAll('article').length")
    prompt = "a video of a large green ring that moves down on a grey background <b>&amp;"
    by_keyboard(browser, prompt)
    until(browser, "document.querySelectorAll('#queue li').length > 0 || document.querySelectorAll('article').length > "
          f"{before}", "the queue")
    browser.screenshot(work / f"making-{width}.png")
    until(browser, f"document.querySelectorAll('article video').length > {before}", "the video")
    shown = browser.evaluate("document.querySelector('article h3').textContent")
    if shown != prompt:
        faults.append(f"the prompt is shown as {shown!r}")
    played = browser.evaluate(PLAYED)
    if played != "played":
        faults.append(f"the video is not played: {played}")
    numbers = browser.evaluate("document.querySelector('article dl').innerText")
    for word in ("Made in", "Steps", "Seed", "Memory"):
        if word not in numbers:
            faults.append(f"{word} is missing: {numbers!r}")
    wide = browser.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        faults.append(f"{wide} pixels wide")
    faults += [f"without a name: {one}" for one in browser.evaluate(UNNAMED)]
    browser.screenshot(work / f"page-{width}.png")
    faults += list(complaints(browser.events, own))
    return [f"{width} px, {scheme}: {fault}" for fault in faults]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    program = find_browser()
    if not program:
        return skipped("no Chromium here: the page was not opened")
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    server = serving.Server(arguments.build, str(arguments.work / "o"))
    browser = Browser(program, arguments.work / "profile")
    faults = []
    try:
        for (width, height), scheme in zip(WIDTHS.items(), ("light", "dark")):
            faults += drive(browser, server, width, height, arguments.work, scheme)
    finally:
        browser.close()
        server.stop()
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
