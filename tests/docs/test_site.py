"""What the site of the documentation is made of; building it is `make docs`, which refuses any warning."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from programs import load

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site_pages() -> ModuleType:
    return load(REPOSITORY / "scripts" / "site_pages.py")


class Loader(yaml.SafeLoader):
    """Reads past the names of Python functions, which only MkDocs looks up."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: suffix)


def pages_in(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav
    return [page for entry in entries for page in pages_in(entry)]


def test_every_page_is_in_the_navigation_once(site_pages: ModuleType) -> None:
    configuration = yaml.load((REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8"), Loader)  # noqa: S506 - a safe one
    written = [path.relative_to(REPOSITORY / "docs").as_posix() for path in (REPOSITORY / "docs").rglob("*.md")]
    listed = pages_in(configuration["nav"])
    pages = {*written, *site_pages.PAGES.values(), *site_pages.MADE}
    assert pages - set(listed) == set(), "nav of mkdocs.yml lacks these"
    assert sorted(listed) == sorted(pages)


def test_what_the_reference_describes_is_there(site_pages: ModuleType) -> None:
    pytest.importorskip("torch", reason="needs torch")
    for name in site_pages.EXTENDED:
        module, _, attribute = name.rpartition(".")
        assert getattr(importlib.import_module(module), attribute).__doc__, name


@pytest.mark.slow
def test_every_command_is_described(site_pages: ModuleType) -> None:
    page = site_pages.commands()
    for command in ("a2gc replay", "a2gc map build", "a2gc models list"):
        assert re.search(rf"^#+ {command}$", page, re.MULTILINE)
    assert "--threads" in page


def test_the_changelog_becomes_nested_lists(site_pages: ModuleType) -> None:
    text = "Changelog\n=====\n\n0.1.0 (2030-01-01)\n---------\n* Models\n\n  * ``a`` and\n    `b`.\n"
    page = "# Changes\n\n## 0.1.0 (2030-01-01)\n\n* Models\n\n    * `a` and\n        `b`.\n"
    assert site_pages.changelog(text) == page


@pytest.mark.parametrize(
    ("source", "link", "there", "needed"),
    [
        ("README.md", "[maps](docs/maps.md)", "[maps](maps.md)", set()),
        ("README.md", "![demo](docs/assets/demo.png)", "![demo](assets/demo.png)", set()),
        ("docs/python.md", "[script](../README.md)", "[script](index.md)", set()),
        ("docs/maps.md", "[how](loops.md#settings)", "[how](loops.md#settings)", set()),
        (
            "docs/maps.md",
            "[below](#below) [web](https://example.org)",
            "[below](#below) [web](https://example.org)",
            set(),
        ),
        ("docs/extend.md", "[mac](../examples/mac.py)", "[mac](files/examples/mac.py.txt)", {"examples/mac.py"}),
        ("docs/extend.md", "[examples](../examples)", "`examples`", set()),
    ],
)
def test_links_that_leave_the_folder_lead_into_the_site(
    site_pages: ModuleType, source: str, link: str, there: str, needed: set[str]
) -> None:
    assert site_pages.rewritten(link, source) == (there, needed)
