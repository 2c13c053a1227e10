"""The page of a run, in a real browser: it opens, it answers to mouse and keys, and it keeps to itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browsing import HARM, SIZES, Watched
from pages import page_of

from a2gc_ros.viz.report import Report, Section

pytestmark = pytest.mark.slow

LIMIT_BYTES = 20_000_000


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    made = Watched(browser)
    yield made
    assert made.wrong == []
    assert made.outside() == []
    made.context.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_view_is_drawn_without_complaint_and_for_everybody(
    browser: Any, report: Path, size: str, dark: bool
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    watched = Watched(browser, SIZES[size], dark=dark)
    page = watched.open(report)
    watched.show_all()
    assert page.locator("[data-view]:not([data-ready])").count() == 0
    # Nothing makes the page itself scroll sideways.
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
    # The policy forbids even the checker to run from elsewhere, so it goes in through the debugger.
    violations = axe.run(page).response["violations"]
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in violations] == []
    assert watched.wrong == []
    assert watched.outside() == []
    watched.context.close()


def test_names_are_shown_as_they_are_and_do_nothing(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    watched.show_all()
    assert page.locator("h1").inner_text() == f"Place recognition on {HARM.replace('/', '')}.mcap"
    assert f"/{HARM}/ground_truth" in page.locator("main").inner_text()
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("script").count() == 3


def test_names_in_data_do_nothing(watched: Watched, tmp_path: Path) -> None:
    page_of(40, name=HARM).write(tmp_path / "index.html")
    page = watched.open(tmp_path / "index.html")
    watched.show_all()
    page.locator(".cards button").first.click()
    assert HARM in page.locator("main").inner_text()
    assert page.locator("img[src=x]").count() == 0


def test_the_policy_stops_what_would_slip_through(browser: Any, tmp_path: Path) -> None:
    text = Report("t", sections=[Section("s", "HERE-IS-A-HOLE")]).to_html()
    (tmp_path / "t.html").write_text(text.replace("HERE-IS-A-HOLE", "<img src=http://127.0.0.1:9/x onerror=alert(1)>"))
    watched = Watched(browser)
    watched.open(tmp_path / "t.html")
    assert not [entry for entry in watched.wrong if entry.startswith("dialog")]
    assert [entry for entry in watched.wrong if "Content Security Policy" in entry]
    watched.context.close()


def test_a_click_on_a_row_shows_the_pair_and_what_matches(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    watched.show_all()
    row = page.locator("table.pick tbody tr").nth(2)
    row.locator("td").nth(3).click()
    assert row.get_attribute("aria-selected") == "true"
    viewer = page.locator("#viewer")
    assert viewer.locator("img").count() == 2
    page.wait_for_selector("#viewer svg .in")
    agree = int(re.search(r"features that agree\s+(\d+)", viewer.inner_text())[1])  # type: ignore[index]
    assert viewer.locator("svg .in").count() == pytest.approx(agree, rel=0.2)
    # Lines end inside the pictures.
    boxes = [viewer.locator("img").nth(i).bounding_box() for i in (0, 1)]
    for at, box in enumerate(boxes):
        for circle in viewer.locator(f"svg .in circle:nth-of-type({at + 1})").all()[:5]:
            found = circle.bounding_box()
            assert box["x"] - 3 <= found["x"] <= box["x"] + box["width"] + 3
            assert box["y"] - 3 <= found["y"] <= box["y"] + box["height"] + 3


def test_keys_walk_through_closures_and_change_the_colours(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    where = page.locator("#viewer .dim").first
    first = where.inner_text()
    page.keyboard.press("ArrowRight")
    second = where.inner_text()
    page.keyboard.press("k")
    assert first != second
    assert where.inner_text() == first
    page.keyboard.press("t")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_a_narrow_window_opens_the_pair_over_the_page_and_closes_it(browser: Any, report: Path) -> None:
    watched = Watched(browser, SIZES["narrow"])
    page = watched.open(report)
    watched.show_all()
    assert not page.locator("#viewer").is_visible()
    page.locator(".visits button").first.click()
    assert page.locator("#viewer").is_visible()
    page.locator("#viewer .close").click()
    assert not page.locator("#viewer").is_visible()
    assert watched.wrong == []
    watched.context.close()


def test_tables_sort_and_filter(watched: Watched, tmp_path: Path) -> None:
    page_of(60).write(tmp_path / "index.html")
    page = watched.open(tmp_path / "index.html")
    watched.show_all()
    table = page.locator("table.pick")
    page.locator("select[aria-label='Which pairs']").select_option("")
    table.locator("th[data-key=s] button").click()
    column = [head.get_attribute("data-key") for head in table.locator("th").all()].index("s")

    def similarities() -> list[float]:
        return [float(cell.inner_text()) for cell in table.locator(f"tbody tr td:nth-child({column + 1})").all()]

    assert table.locator("th[data-key=s]").get_attribute("aria-sort") == "ascending"
    assert similarities() == sorted(similarities())
    table.locator("th[data-key=s] button").click()
    assert similarities() == sorted(similarities(), reverse=True)
    before = similarities()
    page.get_by_role("button", name="Next", exact=True).click()
    assert similarities()[0] <= before[-1]


def test_times_carry_their_seconds_over(watched: Watched, tmp_path: Path) -> None:
    text = page_of(40).to_html()
    assert text.count('"t":[0.0,0.5,') == 1
    (tmp_path / "index.html").write_text(text.replace('"t":[0.0,0.5,', '"t":[119.97,61.25,'))
    page = watched.open(tmp_path / "index.html")
    watched.show_all()
    page.locator("select[aria-label='Which pairs']").select_option("")
    shown = page.locator("table.pick").inner_text()
    assert "2:00.0" in shown
    assert "1:01.3" in shown


def ink(page: Any, selector: str) -> str:
    """A fingerprint of what a chart shows."""
    return page.locator(f"{selector} .plot canvas").first.evaluate("canvas => canvas.toDataURL()")


def test_charts_zoom_move_and_are_saved(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    watched.show_all()
    chart = page.locator("[data-view=where] .plot")
    seen = [ink(page, "[data-view=where]")]
    chart.scroll_into_view_if_needed()
    chart.focus()
    for act in ("+", "ArrowLeft", "wheel", "drag", "0"):
        box = chart.locator(".u-over").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        if act == "wheel":
            page.mouse.move(x, y)
            page.mouse.wheel(0, -200)
        elif act == "drag":
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + 60, y + 20, steps=3)
            page.mouse.up()
        else:
            page.keyboard.press(act)
        page.mouse.move(0, 0)
        page.wait_for_timeout(60)
        seen.append(ink(page, "[data-view=where]"))
    assert len(set(seen[:-1])) == len(seen) - 1
    assert seen[-1] == seen[0]
    page.get_by_role("button", name="Lift by time").click()
    page.wait_for_timeout(60)
    assert ink(page, "[data-view=where]") != seen[0]
    with page.expect_download() as download:
        page.locator("[data-view=where]").get_by_role("button", name="Save as a picture").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_a_dot_of_the_matrix_leads_to_its_pair(watched: Watched, report: Path) -> None:
    page = watched.open(report)
    watched.show_all()
    for key in ("closures", "not sure", "refused"):
        box = page.locator("[data-view=matrix] label", has_text=key)
        if box.count() and key != "closures":
            box.click()
    over = page.locator("[data-view=matrix] .u-over")
    over.scroll_into_view_if_needed()
    frame = over.bounding_box()
    count = page.evaluate("JSON.parse(document.getElementById('data').textContent).keyframes.t.length")
    query, keyframe = page.evaluate(
        "(() => { const p = JSON.parse(document.getElementById('data').textContent).pairs;"
        "const i = p.stage.lastIndexOf(3); return [p.q[i], p.k[i]]; })()"
    )
    # The matrix is drawn square, in the middle of what is wider.
    side = min(frame["width"], frame["height"])
    x = frame["x"] + (frame["width"] - side) / 2 + (keyframe + 0.5) / count * side
    y = frame["y"] + (frame["height"] - side) / 2 + (query + 0.5) / count * side
    page.mouse.move(x, y)
    assert page.locator("[data-view=matrix] .peek").is_visible()
    page.mouse.click(x, y)
    stamps = page.evaluate("JSON.parse(document.getElementById('data').textContent).keyframes.stamp")
    assert f"{stamps[query]}, {stamps[keyframe]}" in page.locator("#viewer").inner_text()


def test_another_limit_says_what_it_would_let_in(watched: Watched, tmp_path: Path) -> None:
    page_of(200).write(tmp_path / "index.html")
    page = watched.open(tmp_path / "index.html")
    watched.show_all()
    words = page.locator("[data-view=funnel] p")
    before = int(re.match(r"(\d+) keyframes would be sure", words.inner_text())[1])  # type: ignore[index]
    slider = page.locator("input[type=range]")
    slider.fill("2")
    after = int(re.match(r"(\d+) keyframes would be sure", words.inner_text())[1])  # type: ignore[index]
    assert after > before
    assert "max_false_positive_rate=0.01" in words.inner_text()
    assert page.locator("[data-view=funnel] .cards button").count() > 0


def test_five_thousand_keyframes_fit_and_open(watched: Watched, tmp_path: Path) -> None:
    page_of(5000).write(tmp_path / "index.html")
    assert (tmp_path / "index.html").stat().st_size < LIMIT_BYTES
    page = watched.open(tmp_path / "index.html")
    watched.show_all()
    assert page.locator("#viewer img").count() == 2


def test_a_page_without_a_single_pair_or_picture_opens(watched: Watched, tmp_path: Path) -> None:
    Report("nothing", "at all", [("0", "closures")], [Section("All numbers", "", [("a", "b"), ("c", "d")])]).write(
        tmp_path / "index.html"
    )
    page = watched.open(tmp_path / "index.html")
    assert page.locator("#viewer").count() == 0


@pytest.mark.parametrize("size", SIZES)
def test_the_page_of_a_map_opens_and_is_for_everybody(browser: Any, tmp_path: Path, size: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    from test_map_page import grown

    from a2gc_ros.viz.map_page import map_page

    map_page(grown()).write(tmp_path / "map.html")
    watched = Watched(browser, SIZES[size])
    page = watched.open(tmp_path / "map.html")
    watched.show_all()
    assert page.locator("[data-view]:not([data-ready])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
    assert [violation["id"] for violation in axe.run(page).response["violations"]] == []
    page.locator(".cards button").first.click()
    assert page.locator("#viewer").is_visible()
    assert "alike to the geometric check, too" in page.locator("#viewer").inner_text()
    assert watched.wrong == []
    assert watched.outside() == []
    watched.context.close()


def test_the_page_of_an_evaluation_shows_curves_and_queries(browser: Any, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    pytest.importorskip("matplotlib", reason="needs matplotlib: pip install matplotlib")
    from a2gc_ros.viz.retrieval import Picture, Retrieval
    from a2gc_ros.viz.retrieval_page import RecallCurve, Shown, retrieval_page

    image = np.full((30, 40, 3), 90, np.uint8)
    answers = [Picture(image, "0.9", True), Picture(image, f"0.8 {HARM}", False)]
    curves = [RecallCurve(name, (1, 5), (0.5, 0.7), (0.4, 0.6), (0.6, 0.8)) for name in ("one", HARM)]
    shown = Shown(
        "Where they differ", "", [Retrieval(Picture(image, "12.5 s"), answers, [Picture(image, "rank 3")])] * 12
    )
    retrieval_page("Models", HARM, curves, [("a", "b"), ("1", HARM)], shown).write(tmp_path / "index.html")
    watched = Watched(browser)
    page = watched.open(tmp_path / "index.html")
    watched.show_all()
    assert page.locator(".queries li").count() == 10
    page.get_by_role("button", name="Show more").click()
    assert page.locator(".queries li").count() == 12
    assert page.locator(".queries li").first.locator("figure").evaluate_all("all => all.map(f => f.className)") == [
        "",
        "good",
        "bad",
        "",
    ]
    before = ink(page, "[data-view=curves]")
    page.locator("[data-view=curves] input[type=checkbox]").first.uncheck()
    page.wait_for_timeout(60)
    assert ink(page, "[data-view=curves]") != before
    assert [violation["id"] for violation in axe.run(page).response["violations"]] == []
    assert page.locator("img[src=x]").count() == 0
    assert watched.wrong == []
    assert watched.outside() == []
    watched.context.close()
