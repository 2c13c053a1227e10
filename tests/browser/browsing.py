"""A real browser without a window, and what a page that it shows must never do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HARM = "<img src=x onerror=alert(1)>&\"'</script><script>alert(2)</script>"
"""A name that would run, were it taken for markup."""

SIZES = {"wide": (1280, 900), "narrow": (400, 800)}


def chromium() -> str | None:
    """Path of a Chromium that is installed; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("A2GC_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@contextmanager
def open_browser() -> Iterator[Any]:
    """A Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Containers, where tests run as root, have no user namespaces for its sandbox.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page and what went wrong on it.

    Args:
        browser: From :func:`open_browser`.
        size: Width and height of the window, pixels.
        dark: Whether the reader likes dark colors.
    """

    def __init__(self, browser: Any, size: tuple[int, int] = SIZES["wide"], *, dark: bool = False) -> None:
        width, height = size
        self.context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            accept_downloads=True,
        )
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.wrong.append(f"{m.type}: {m.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"exception: {error}"))
        self.page.on("dialog", lambda dialog: (self.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path | str) -> Any:
        """Opens a file or an address, and returns the page once its program has run."""
        address = path if isinstance(path, str) else path.resolve().as_uri()
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]")
        return self.page

    def show_all(self) -> None:
        """Scrolls to every view, so that each is made."""
        for view in self.page.locator("[data-view]").all():
            view.scroll_into_view_if_needed()
            self.page.wait_for_function("node => node.dataset.ready", arg=view.element_handle())
        self.page.evaluate("scrollTo(0, 0)")
        # One frame for what they have drawn.
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def outside(self) -> list[str]:
        """What was asked for besides the page itself and what it holds."""
        return [url for url in self.requests[1:] if not url.startswith(("data:", "blob:"))]
