"""What evaluations found beside what others published, as Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

KS = (1, 5, 10)
COLUMNS = ("data set", "method", "dims", "bytes", "ms", *(f"R@{k}" for k in KS), "source")
DIFFERS = "≠"
"""Marks a figure that was not taken under the same protocol, as far as is known."""

Row = tuple[str, ...]


def rows_of(found: Sequence[dict[str, Any]]) -> Iterator[Row]:
    """A row of `COLUMNS` for the numbers of each evaluation, and below a data set's those of each published figure."""
    for name in dict.fromkeys(entry["dataset"] for entry in found):
        entries = [entry for entry in found if entry["dataset"] == name]
        for entry in entries:
            measured = [
                _with_interval(100 * entry["recall"][str(k)], entry.get("interval", {}).get(str(k))) for k in KS
            ]
            size = (str(entry["descriptor_dim"]), str(entry["descriptor_bytes"]), f"{entry['image_ms']:.1f}")
            yield (name, entry["row"], *size, *measured, "measured")
        for figure in entries[0]["published"]:
            mark = f"{DIFFERS} " if figure["differs"] or entries[0]["differs"] else ""
            figures = [f"{figure['recall'][k]:.1f}" if k in figure["recall"] else "" for k in KS]
            dims = "" if figure["dim"] is None else str(figure["dim"])
            yield name, f"{mark}{figure['method']} ({figure['backbone']})", dims, "", "", *figures, figure["url"]


def markdown(found: Sequence[dict[str, Any]]) -> str:
    """A Markdown table."""
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "|".join("---" if name in _WORDS else "---:" for name in COLUMNS) + "|",
    ]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows_of(found)]
    return "\n".join(lines)


def latex(found: Sequence[dict[str, Any]]) -> str:
    """A LaTeX ``tabular`` for the package booktabs, with a rule between data sets; sources stand in comments."""
    columns = COLUMNS[:-1]
    lines = [
        rf"\begin{{tabular}}{{{''.join('l' if name in _WORDS else 'r' for name in columns)}}}",
        r"\toprule",
        " & ".join(_escaped(name) for name in columns) + r" \\",
    ]
    before = None
    for *cells, source in rows_of(found):
        lines += [r"\midrule"] if cells[0] != before else []
        before = cells[0]
        lines.append(" & ".join(map(_escaped, cells)) + rf" \\ % {source}")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def comma_separated(found: Sequence[dict[str, Any]]) -> str:
    """A CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows_of(found))
    return text.getvalue().rstrip("\n")


FORMATS: dict[str, Callable[[Sequence[dict[str, Any]]], str]] = {
    "markdown": markdown,
    "latex": latex,
    "csv": comma_separated,
}

_WORDS = {"data set", "method", "source"}
_LATEX = {"\\": r"\textbackslash{}", "≠": r"$\neq$", "²": r"$^2$", "–": "--", "×": r"$\times$"}
_LATEX |= {character: "\\" + character for character in "&%$#_{}"}


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _with_interval(value: float, interval: Sequence[float] | None) -> str:
    return f"{value:.1f}" if interval is None else f"{value:.1f} ({100 * interval[0]:.1f}–{100 * interval[1]:.1f})"
