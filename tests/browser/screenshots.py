"""The pictures of pages in the documentation: every view, wide and narrow, light and dark, and an animation.

    python tests/browser/screenshots.py --demo REPORT --map PAGE --real REPORT --out docs/assets

REPORT is a folder that `a2gc replay` wrote: of the demo's recording, and of a real one that may be shown. PAGE is what
`a2gc map view` wrote. `make screenshots` makes them first.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

from browsing import Watched, open_browser
from PIL import Image

from a2gc_ros.viz.page_data import Fate

VIEWS = ("where", "when", "visits", "matrix", "funnel", "pairs", "curves")
STEPS = 40
QUALITY = 82


def main() -> None:
    """Makes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--demo", type=Path)
    parser.add_argument("--map", type=Path)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--retrieval", type=Path, help="What a2gc viz retrieval wrote.")
    parser.add_argument("--served", help="Address of a2gc serve.")
    parser.add_argument("--ask", type=Path, help="A picture to ask it about.")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        if options.demo:
            of_a_run(browser, options.demo / "index.html", options.out)
            animation(browser, options.demo / "index.html", options.out / "demo.webp")
        if options.map:
            window(browser, options.map, options.out / "page_map.webp")
        if options.retrieval:
            window(browser, options.retrieval / "index.html", options.out / "page_retrieval.webp")
        if options.served:
            of_a_question(browser, options.served, options.ask, options.out / "page_serve.webp")
        if options.real:
            window(browser, options.real / "index.html", options.out / "page_real_dark.webp", dark=True)


def of_a_run(browser: Any, path: Path, out: Path) -> None:
    """Every view of a run's page."""
    window(browser, path, out / "page.webp")
    window(browser, path, out / "page_dark.webp", dark=True)
    watched = Watched(browser)
    page = watched.open(path)
    watched.show_all()
    # It stays at the top of the window, and so would lie across what is taller.
    page.locator("nav.bar").evaluate("bar => { bar.hidden = true; }")
    for view in VIEWS:
        section = page.locator("section", has=page.locator(f"[data-view={view}]")).first
        section.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        stored(section.screenshot(), out / f"view_{view}.webp")
    watched.context.close()
    watched = Watched(browser, (400, 800))
    page = watched.open(path)
    watched.show_all()
    page.locator(".visits button").first.click()
    page.wait_for_timeout(300)
    stored(page.screenshot(), out / "page_narrow.webp")
    watched.context.close()


def window(browser: Any, path: Path, out: Path, *, dark: bool = False) -> None:
    """What a window shows first."""
    watched = Watched(browser, (1280, 960), dark=dark)
    page = watched.open(path)
    page.wait_for_selector("[data-view][data-ready]")
    page.wait_for_timeout(500)
    stored(page.screenshot(), out)
    watched.context.close()


def of_a_question(browser: Any, address: str, picture: Path, out: Path) -> None:
    """A picture that was dropped, and its answers."""
    watched = Watched(browser, (1280, 860))
    page = watched.open(address)
    page.locator("[data-view=ask]").scroll_into_view_if_needed()
    page.locator("#ask-file").set_input_files(picture)
    page.wait_for_selector("[data-view=ask] .cards button")
    page.locator("#s0").evaluate("node => window.scrollTo(0, node.offsetTop - 70)")
    page.wait_for_timeout(400)
    stored(page.screenshot(), out)
    watched.context.close()


def animation(browser: Any, path: Path, out: Path) -> None:
    """One closure after the other, on the path and in pictures."""
    watched = Watched(browser, (1180, 840))
    page = watched.open(path)
    page.wait_for_selector("[data-view=where][data-ready]")
    page.locator("[data-view=where]").evaluate("node => window.scrollTo(0, node.getBoundingClientRect().top - 60)")
    page.get_by_role("button", name="Lift by time").click()
    pairs = page.evaluate("JSON.parse(document.getElementById('data').textContent).pairs")
    closures = pairs["stage"].count(int(Fate.CLOSURE))
    frames = []
    for _ in range(STEPS):
        for _ in range(max(1, closures // STEPS)):
            page.keyboard.press("j")
        page.wait_for_timeout(150)
        shot = Image.open(io.BytesIO(page.screenshot()))
        frames.append(shot.convert("RGB").resize((shot.width * 3 // 4, shot.height * 3 // 4), Image.Resampling.LANCZOS))
    frames[0].save(out, save_all=True, append_images=frames[1:], duration=350, loop=0, quality=55, method=6)
    watched.context.close()


def stored(png: bytes, out: Path) -> None:
    """Writes a screenshot, in a quarter of a PNG's bytes."""
    Image.open(io.BytesIO(png)).convert("RGB").save(out, quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
