"""A report in one file: text, tables and pictures that need nothing else to be opened or mailed."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;color:#24292f;max-width:1080px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{margin-top:2.4rem;border-bottom:1px solid #d0d7de;padding-bottom:.3rem}
.tiles{display:flex;flex-wrap:wrap;gap:1rem;margin:1.2rem 0}.tile{border:1px solid #d0d7de;border-radius:8px;
padding:.8rem 1.2rem;min-width:8.5rem}.tile b{display:block;font-size:1.7rem;line-height:1.2}.tile span{color:#57606a}
img{max-width:100%;height:auto}table{border-collapse:collapse;margin:1rem 0}td,th{padding:.35rem .9rem;text-align:left;
border-bottom:1px solid #eaeef2}td:not(:first-child){font-variant-numeric:tabular-nums}p.note{color:#57606a}
"""


@dataclass(frozen=True)
class Section:
    """A heading with text, a table and pictures below it.

    Attributes:
        heading: Plain text.
        text: Plain text; a blank line starts a new paragraph.
        table: Rows of plain text; the first row is the head.
        pictures: PNG files, embedded; each with a text for those who cannot see it.
    """

    heading: str
    text: str = ""
    table: Sequence[Sequence[str]] = ()
    pictures: Sequence[tuple[Path, str]] = ()


@dataclass(frozen=True)
class Report:
    """A page.

    Attributes:
        title: Plain text.
        subtitle: Plain text.
        tiles: (value, label) of the few numbers to see first.
        sections: In reading order.
    """

    title: str
    subtitle: str = ""
    tiles: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Writes the page; an interrupted write leaves no half page behind."""
        partial = path.with_suffix(path.suffix + ".partial")
        partial.write_text(self.to_html(), encoding="utf-8")
        partial.replace(path)

    def to_html(self) -> str:
        """Returns the page as text; whatever came from a recording is escaped."""
        tiles = "".join(
            f"<div class=tile><b>{_text(v)}</b><span>{_text(label)}</span></div>" for v, label in self.tiles
        )
        body = "".join(_section(section) for section in self.sections)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_text(self.title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
            f"<h1>{_text(self.title)}</h1><p class=note>{_text(self.subtitle)}</p>"
            f"<div class=tiles>{tiles}</div>{body}</body></html>\n"
        )


def _text(value: str) -> str:
    return html.escape(value, quote=True)


def _section(section: Section) -> str:
    parts = [f"<h2>{_text(section.heading)}</h2>"]
    parts += [f"<p>{_text(paragraph)}</p>" for paragraph in section.text.split("\n\n") if paragraph.strip()]
    if section.table:
        head, *rows = section.table
        cells = "".join(f"<th>{_text(cell)}</th>" for cell in head)
        lines = "".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        parts.append(f"<table><tr>{cells}</tr>{lines}</table>")
    for picture, description in section.pictures:
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        parts.append(f'<p><img alt="{_text(description)}" src="data:image/png;base64,{data}"></p>')
    return "".join(parts)
