"""Tables as spreadsheets write them: with commas, semicolons or tabs, and with decimal points or commas."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import Final

_DELIMITERS: Final = (";", "\t", ",")
_DECIMAL_COMMA: Final = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")


def delimiter_of(line: str) -> str | None:
    """Returns what separates the cells of a table's first line; None where nothing does.

    Spreadsheets of countries with decimal commas separate by semicolons, so those go first.
    """
    return next((delimiter for delimiter in _DELIMITERS if delimiter in line), None)


def split_rows(lines: Iterable[tuple[int, str]], delimiter: str) -> list[tuple[int, list[str]]]:
    """Splits numbered lines into cells; where commas do not separate, those of decimal numbers become points.

    Raises:
        ValueError: If a line is no such row, as with a quote that does not end; the message names the line.
    """
    rows = []
    for number, line in lines:
        try:
            cells = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error as error:
            raise ValueError(f"line {number} cannot be split into cells: {error}") from error
        rows.append((number, cells if delimiter == "," else [_with_point(cell) for cell in cells]))
    return rows


def read_records(text: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Reads a table with a header.

    Args:
        text: Its content; a byte order mark and empty lines are passed over.

    Returns:
        The header, and each row's line number with its cells by column.

    Raises:
        ValueError: If a row has another number of cells than the header, or is none; the message names the line.
    """
    lines = [(n, line) for n, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1) if line.strip()]
    if not lines:
        return [], []
    rows = split_rows(lines, delimiter_of(lines[0][1]) or ",")
    header = [name.strip() for name in rows[0][1]]
    for number, cells in rows[1:]:
        if len(cells) != len(header):
            raise ValueError(
                f"line {number} has {len(cells)} cells where the header has {len(header)} ({', '.join(header)})"
            )
    return header, [(number, dict(zip(header, cells, strict=True))) for number, cells in rows[1:]]


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell
