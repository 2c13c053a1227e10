"""No link of a page leads nowhere: neither to a file nor to a heading that is not there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob(".github/*.md"), *(REPOSITORY / "docs").glob("**/*.md")])
FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+?)\s*#*$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub and the site name them."""
    headings = HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "") for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    missing = []
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link or link.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            missing.append(link)
    assert missing == []


def test_links_lead_to_what_a_clone_has() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode:
        pytest.skip("needs a git checkout")
    files = {(REPOSITORY / name).resolve() for name in tracked.stdout.split("\0") if name}
    folders = {parent for file in files for parent in file.parents}
    links = [
        (page, link.partition("#")[0]) for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))
    ]
    lost = [
        f"{page.name}: {link}"
        for page, link in links
        if link and "://" not in link and (page.parent / link).exists()
        if (page.parent / link).resolve() not in files | folders
    ]
    assert lost == []
