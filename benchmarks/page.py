"""Is the page of a long run fluid? Size, first paint, and frames while charts are dragged, by the browser's own trace.

    python benchmarks/page.py [--keyframes 5000] [--page report/index.html] [--json FILE.json]

A page with so many keyframes and three compared pairs each is made, or one that a replay wrote is taken, and opened
from the disk in a headless Chromium, which draws without a GPU. Its window's middle is then dragged, one step a frame.

- first paint: from the navigation to the first picture, by the browser.
- script: milliseconds of the page's own programs for a frame.
- frame: milliseconds from one drawn frame to the next; 16.7 is what a screen of 60 Hz shows.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STEPS = 90
CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline.frame", "benchmark", "viz"]

DRAG = """
(host, steps) => new Promise((done) => {
  const over = host.querySelector(".u-over"), box = over.getBoundingClientRect();
  const say = (kind, dx, dy) => over.dispatchEvent(new PointerEvent(kind, {pointerId: 7, pointerType: "touch",
    bubbles: true, clientX: box.left + box.width / 2 + dx, clientY: box.top + box.height / 2 + dy}));
  let step = 0;
  say("pointerdown", 0, 0);
  const next = () => {
    if (step++ === steps) { say("pointerup", 0, 0); return done(); }
    say("pointermove", 80 * Math.sin(step / 9), 50 * Math.cos(step / 7));
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
})
"""


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keyframes", type=int, default=5000)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests" / "browser"))
    from browsing import open_browser
    from pages import page_of

    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        path = options.page or Path(folder) / "index.html"
        if options.page is None:
            page_of(options.keyframes).write(path)
        found = measured(browser, path, Path(folder))
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def measured(browser: Any, path: Path, folder: Path) -> dict[str, Any]:
    """Opens a page and drags its charts.

    Args:
        browser: From tests/browser.
        path: The page.
        folder: For traces.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(path.resolve().as_uri())
    page.wait_for_selector("html[data-ready]")
    paint = page.evaluate("performance.getEntriesByType('paint')[0].startTime")
    found: dict[str, Any] = {"megabytes": round(path.stat().st_size / 1e6, 1), "first_paint_ms": round(paint)}
    for view in ("where", "when", "matrix"):
        host = page.locator(f"[data-view={view}]")
        if not host.count():
            continue
        host.scroll_into_view_if_needed()
        page.wait_for_function("node => node.dataset.ready", arg=host.element_handle())
        page.wait_for_timeout(1500)
        trace = folder / f"{view}.json"
        browser.start_tracing(page=page, path=str(trace), categories=CATEGORIES)
        host.evaluate(DRAG.replace("(host, steps)", "(host)").replace("steps)", f"{STEPS})"))
        browser.stop_tracing()
        events = json.loads(trace.read_text())["traceEvents"]
        drawn = np.sort([event["ts"] for event in events if event["name"] == "DrawFrame"]) / 1e3
        scripts = np.array([event.get("dur", 0) for event in events if event["name"] == "FireAnimationFrame"]) / 1e3
        found[view] = {
            "frames": len(drawn),
            "script_ms": {f"p{p}": round(float(np.percentile(scripts, p)), 1) for p in (50, 95)},
            "frame_ms": {f"p{p}": round(float(np.percentile(np.diff(drawn), p)), 1) for p in (50, 95)},
        }
    page.close()
    return found


if __name__ == "__main__":
    main()
