#!/usr/bin/env python3
"""Draws which room imports which, from the code: docs/assets/rooms.svg.

    python scripts/draw_rooms.py            writes the drawing
    python scripts/draw_rooms.py --check    says whether it is still true

An arrow that follows from others is left out: it would say nothing that they do not. What stands in a file of its own
is a leaf that every room may import, and is left out too.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
DRAWING = ROOT / "docs" / "assets" / "rooms.svg"
LEAVES = {"system"}
"""Folders that are leaves too."""

BOX, GAP, ROW = (112, 30), 22, 66
SWEEPS = 24

Edges = dict[str, set[str]]


def rooms() -> Edges:
    """Each room with those that it imports: the folders of the library, and the packages beside it."""
    packages = re.findall(r"^root_packages = (.+)$", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    library, *beside = json.loads(packages[0])
    graph = grimp.build_graph(library, *beside, cache_dir=None)
    found = {name: name for name in beside}
    for module in graph.find_children(library):
        name = module.rpartition(".")[2]
        if graph.find_children(module) and name not in LEAVES:
            found[module] = name
    for module in found:
        graph.squash_module(module)
    return {
        name: {found[other] for other in graph.find_modules_directly_imported_by(module) if other in found} - {name}
        for module, name in sorted(found.items())
    }


def depths(edges: Edges) -> dict[str, int]:
    """Each room's row from below: one above the highest that it imports."""
    known: dict[str, int] = {}

    def depth(room: str, above: tuple[str, ...] = ()) -> int:
        if room in above:
            raise SystemExit(f"rooms import each other in a circle: {' -> '.join((*above, room))}")
        if room not in known:
            known[room] = 1 + max((depth(other, (*above, room)) for other in edges[room]), default=-1)
        return known[room]

    for room in edges:
        depth(room)
    return known


def needed(edges: Edges) -> Edges:
    """The arrows that do not follow from others."""

    def reached(room: str) -> set[str]:
        return set().union(*({other} | reached(other) for other in edges[room]))

    return {room: {one for one in to if not any(one in reached(two) for two in to)} for room, to in edges.items()}


def rows_of(edges: Edges, depth: dict[str, int]) -> tuple[list[list[str]], Edges]:
    """Rows from above, and arrows from row to row: an arrow past a row has a bend there, named by its ends."""
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for room in sorted(edges):
        rows[-1 - depth[room]].append(room)
    steps: Edges = {room: set() for room in edges}
    for room in sorted(edges):
        for other in sorted(edges[room]):
            last = room
            for level in range(depth[room] - 1, depth[other], -1):
                bend = f"{room}>{other}@{level}"
                rows[-1 - level].append(bend)
                steps[last].add(bend)
                steps[bend] = set()
                last = bend
            steps[last].add(other)
    return rows, steps


def placed(rows: list[list[str]], steps: Edges) -> dict[str, float]:
    """Horizontal middles: each as near to its neighbors' as its row allows."""
    near: Edges = {name: set() for row in rows for name in row}
    for name, others in steps.items():
        for other in others:
            near[name].add(other)
            near[other].add(name)

    def width(name: str) -> float:
        return (0.35 if "@" in name else 1.0) * BOX[0] + GAP

    x: dict[str, float] = {}
    for row in rows:
        left = -sum(map(width, row)) / 2
        for name in row:
            x[name] = left + width(name) / 2
            left += width(name)

    def wish(name: str) -> float:
        # An exact sum, since the order of a set is another in each process.
        return math.fsum(x[other] for other in near[name]) / len(near[name]) if near[name] else x[name]

    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 else rows[::-1]:
            wished = {name: wish(name) for name in row}
            row.sort(key=lambda name: (wished[name], name))
            at = _apart([wished[name] for name in row], [width(name) for name in row])
            x.update(zip(row, at, strict=True))
    left = min(x[name] - width(name) / 2 for row in rows for name in row)
    return {name: value - left for name, value in x.items()}


def _apart(wished: list[float], widths: list[float]) -> list[float]:
    """Ascending middles nearest to what is wished, by least squares, that overlap nowhere (pool adjacent violators)."""
    offsets, total = [], 0.0
    for width in widths:
        offsets.append(total + width / 2)
        total += width
    blocks: list[list[float]] = []
    for want, offset in zip(wished, offsets, strict=True):
        blocks.append([want - offset, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2], blocks[-1]
            blocks[-2:] = [[(a * n + b * m) / (n + m), n + m]]
    starts = [start for start, count in blocks for _ in range(int(count))]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def svg(edges: Edges) -> str:
    """The drawing."""
    arrows = needed(edges)
    rows, steps = rows_of(arrows, depths(edges))
    x = placed(rows, steps)
    y = {name: 24 + BOX[1] / 2 + ROW * number for number, row in enumerate(rows) for name in row}
    width = round(max(x.values()) + BOX[0] / 2 + GAP)
    height = round(max(y.values()) + BOX[1] / 2 + 24)
    paths = [_path(line, x, y) for line in _lines(arrows, steps)]
    boxes = [_box(room, x[room], y[room]) for room in sorted(edges)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            'font-family="Helvetica, Arial, sans-serif" font-size="14" role="img">',
            "<title>The rooms of a2gc_ros: an arrow points to what a room imports</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0.5L8 4L0 7.5z" fill="#5b6472"/></marker></defs>',
            f'<rect width="{width}" height="{height}" rx="8" fill="#ffffff"/>',
            '<g fill="none" stroke="#5b6472" stroke-width="1.3">',
            *paths,
            "</g>",
            *boxes,
            "</svg>\n",
        ]
    )


def _lines(arrows: Edges, steps: Edges) -> Iterable[list[str]]:
    for room in sorted(arrows):
        for first in sorted(steps[room]):
            line = [room, first]
            while "@" in line[-1]:
                line.append(next(iter(steps[line[-1]])))
            yield line


def _path(line: list[str], x: dict[str, float], y: dict[str, float]) -> str:
    points = [(x[name], y[name]) for name in line]
    points[0] = (points[0][0], points[0][1] + BOX[1] / 2)
    points[-1] = (points[-1][0], points[-1][1] - BOX[1] / 2 - 2)
    words = [f"M{points[0][0]:.0f} {points[0][1]:.0f}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        words.append(f"C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}")
    return f'<path d="{"".join(words)}" marker-end="url(#tip)"/>'


def _box(room: str, x: float, y: float) -> str:
    return (
        f'<rect x="{x - BOX[0] / 2:.0f}" y="{y - BOX[1] / 2:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="6" '
        f'fill="#eaf1fb" stroke="#3a6ea5"/><text x="{x:.0f}" y="{y + 5:.0f}" text-anchor="middle" '
        f'fill="#1c2733">{room}</text>'
    )


def main() -> int:
    """Writes or checks the drawing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where it is out of date")
    drawn = svg(rooms())
    if not parser.parse_args().check:
        DRAWING.write_text(drawn, encoding="utf-8")
        return 0
    if DRAWING.is_file() and DRAWING.read_text(encoding="utf-8") == drawn:
        return 0
    print("docs/assets/rooms.svg is not what the imports say: python scripts/draw_rooms.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
