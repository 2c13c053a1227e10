"""A report in one file: text, tables, pictures and views to explore, with nothing fetched from anywhere.

The page holds its data as JSON and its programs as text, among them uPlot, which draws axes. A content security policy
lets nothing else run and nothing be requested, so that names from a recording cannot do harm, whatever they hold.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from a2gc_ros.system.files import write_whole
from a2gc_ros.system.json_values import finite

ASSETS: Final = Path(__file__).parent / "assets"

PROGRAMS: Final = ("core", "plane", "where", "when", "matrix", "pairs", "funnel", "curves", "main")
"""Parts of the page's program, in the order in which they need one another."""


@dataclass(frozen=True)
class View:
    """Something to explore.

    Attributes:
        kind: What draws it: a name in the page's ``views``.
        data: What it needs besides the page's shared data; JSON values, NaN for what is unknown.
    """

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A heading with text, views, a table and pictures below it.

    Attributes:
        heading: Plain text.
        text: Plain text; a blank line starts a new paragraph.
        table: Rows of plain text; the first row is the head.
        pictures: PNG files, embedded; each with a text for those who cannot see it.
        views: In reading order.
        short: Heading in the bar of links; the heading itself where it is empty.
    """

    heading: str
    text: str = ""
    table: Sequence[Sequence[str]] = ()
    pictures: Sequence[tuple[Path, str]] = ()
    views: Sequence[View] = ()
    short: str = ""


@dataclass(frozen=True)
class Report:
    """A page.

    Attributes:
        title: Plain text.
        subtitle: Plain text.
        tiles: (value, label) of the few numbers to see first.
        sections: In reading order.
        shared: What several views look at: keyframes, pairs and their pictures
            (:mod:`a2gc_ros.viz.page_data`). With keyframes the page has a viewer beside it.
        served: Whether a program stands behind the page that it may ask (:mod:`a2gc_ros.serving`).
    """

    title: str
    subtitle: str = ""
    tiles: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default_factory=list)
    shared: Mapping[str, Any] = field(default_factory=dict)
    served: bool = False

    def write(self, path: Path) -> None:
        """Writes the page; an interrupted write leaves no half page behind."""
        write_whole(path, self.to_html())

    def to_html(self) -> str:
        """Returns the page as text; whatever came from a recording is escaped."""
        views: list[View] = []
        body = "".join(_section(section, number, views) for number, section in enumerate(self.sections))
        links = "".join(
            f'<li><a href="#s{number}">{_text(section.short or section.heading)}</a></li>'
            for number, section in enumerate(self.sections)
        )
        tiles = "".join(f"<div><dt>{_text(label)}</dt><dd>{_text(v)}</dd></div>" for v, label in self.tiles)
        data = json_for_script({**self.shared, "views": [view.data for view in views]})
        style = _asset("uPlot.min.css") + _asset("page.css")
        programs = [_asset("uPlot.iife.min.js"), '"use strict";(() => {\n' + _program(self.served) + "})();\n"]
        viewer = '<aside id="viewer" aria-labelledby="viewer-title"></aside>' if self.shared.get("keyframes") else ""
        return (
            '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, programs, self.served)}">'
            f'<title>{_text(self.title)}</title><meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<style>{style}</style></head><body>"
            '<a class="skip" href="#main">Skip to the content</a>'
            f'<header class="top"><div><h1>{_text(self.title)}</h1><p class="dim">{_text(self.subtitle)}</p></div>'
            '<div class="tools"><button type="button" id="keys" aria-label="Keys">?</button>'
            '<button type="button" id="theme">Dark</button></div></header>'
            f'<nav class="bar" aria-label="Sections"><ul>{links}</ul></nav>'
            f'<div class="frame{" with-viewer" if viewer else ""}"><main id="main">'
            f'<dl class="tiles">{tiles}</dl>{body}</main>{viewer}</div>{_HELP}'
            f"<footer>{_SERVED if self.served else _ALONE}</footer>"
            f'<script type="application/json" id="data">{data}</script>'
            + "".join(f"<script>{program}</script>" for program in programs)
            + "</body></html>\n"
        )


_ALONE: Final = "Everything on this page is in this one file; it asks no other machine for anything."
_SERVED: Final = "This page asks the program that served it, and nobody else."

_HELP: Final = (
    '<dialog id="help" aria-labelledby="help-title"><h2 id="help-title">Keys</h2><ul>'
    "<li><kbd>←</kbd> <kbd>→</kbd> previous and next pair, also <kbd>k</kbd> <kbd>j</kbd></li>"
    "<li><kbd>Tab</kbd> to a chart, then <kbd>+</kbd> <kbd>−</kbd> zoom, arrows move, <kbd>0</kbd> shows all</li>"
    "<li><kbd>t</kbd> light or dark, <kbd>Esc</kbd> closes, <kbd>?</kbd> shows this</li></ul>"
    '<form method="dialog"><button>Close</button></form></dialog>'
)


def json_for_script(value: Any) -> str:
    """Returns a value as JSON that can stand in a script element: it cannot end it; what is not finite is null."""
    text = json.dumps(finite(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Inside strings only, where both mean the same.
    return (
        text.replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    )


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _program(served: bool) -> str:
    names = (*PROGRAMS[:-1], *(["ask"] if served else []), PROGRAMS[-1])
    return "".join(_asset(f"{name}.js") for name in names)


def _policy(style: str, programs: Sequence[str], served: bool) -> str:
    def allowed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    scripts = " ".join(map(allowed, programs))
    connect = "connect-src 'self'; " if served else ""
    return (
        f"default-src 'none'; {connect}img-src data: blob:; style-src {allowed(style)}; script-src {scripts}; "
        "base-uri 'none'; form-action 'none'"
    )


def _text(value: str) -> str:
    return html.escape(value, quote=True)


def _section(section: Section, number: int, views: list[View]) -> str:
    parts = [f'<section id="s{number}"><h2>{_text(section.heading)}</h2>']
    parts += [f"<p>{_text(paragraph)}</p>" for paragraph in section.text.split("\n\n") if paragraph.strip()]
    for view in section.views:
        parts.append(
            f'<div class="view" data-view="{_text(view.kind)}" data-number="{len(views)}">'
            '<p class="dim">This is drawn by the page\'s own program.</p></div>'
        )
        views.append(view)
    for picture, description in section.pictures:
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        parts.append(f'<p><img class="picture" alt="{_text(description)}" src="data:image/png;base64,{data}"></p>')
    if section.table:
        head, *rows = section.table
        cells = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
        lines = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        parts.append(
            f'<div class="scroll" tabindex="0" role="region" aria-label="{_text(section.heading)}, table"><table>'
            f"<thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div>"
        )
    return "".join([*parts, "</section>"])
