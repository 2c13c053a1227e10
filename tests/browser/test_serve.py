"""The page of a served map: a dropped picture is found, and two frames are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from browsing import Watched

pytestmark = pytest.mark.slow

pytest.importorskip("starlette", reason="needs starlette: pip install '.[serve]'")
pytest.importorskip("uvicorn", reason="needs uvicorn: pip install '.[serve]'")


def test_pictures_and_frames_are_asked_about(browser: Any, tmp_path: Path) -> None:
    from serving import served, wall_map

    from a2gc_ros.placemap import PlaceMap

    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()
    town, model = wall_map(tmp_path)
    with PlaceMap.open(town, read_only=True) as place_map:
        (tmp_path / "asked.jpg").write_bytes(place_map.image(8) or b"")
    with served(town, model) as port:
        watched = Watched(browser)
        page = watched.open(f"http://127.0.0.1:{port}/")
        watched.show_all()
        page.locator("#ask-file").set_input_files(tmp_path / "asked.jpg")
        page.wait_for_selector("[data-view=ask] .cards button")
        assert "agree in geometry" in page.locator("[data-view=ask] p").inner_text()
        viewer = page.locator("#viewer")
        page.wait_for_selector("#viewer svg .in")
        assert "keyframe 8" in viewer.inner_text()
        assert viewer.locator("img").count() == 2

        (tmp_path / "asked.jpg").write_bytes(b"no picture")
        page.locator("#ask-file").set_input_files(tmp_path / "asked.jpg")
        page.wait_for_selector("text=neither JPEG nor PNG")
        # The browser itself notes that an answer was a refusal.
        assert all("422" in entry for entry in watched.wrong)
        watched.wrong.clear()

        page.get_by_label("Number of the one keyframe").fill("3")
        page.get_by_label("Number of the other keyframe").fill("4")
        page.get_by_role("button", name="Compare", exact=True).click()
        page.wait_for_selector("text=They show one place.")
        assert "Keyframes 3 and 4" in viewer.inner_text()
        assert [violation["id"] for violation in axe.run(page).response["violations"]] == []
        assert watched.wrong == []
        assert {url.split("/")[2] for url in watched.requests if url.startswith("http")} == {f"127.0.0.1:{port}"}
        watched.context.close()
