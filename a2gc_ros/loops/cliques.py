"""Nodes of a graph that are all linked with one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def largest_clique(count: int, linked: Callable[[int, int], bool]) -> set[int]:
    """Returns the largest set of nodes that are all linked with one another.

    Exact: branch and bound over bit sets (Tomita and Seki's greedy coloring bound), small graphs only. ``linked`` is
    called once for each pair, i < j.
    """
    neighbors = [0] * count
    for i in range(count):
        for j in range(i + 1, count):
            if linked(i, j):
                neighbors[i] |= 1 << j
                neighbors[j] |= 1 << i
    best = 0

    def expand(chosen: int, candidates: int) -> None:
        nonlocal best
        if not candidates:
            if chosen.bit_count() > best.bit_count():
                best = chosen
            return
        order, colors = _colored(candidates, neighbors)
        for node, color in zip(reversed(order), reversed(colors), strict=True):
            if chosen.bit_count() + color <= best.bit_count():
                return
            expand(chosen | 1 << node, candidates & neighbors[node])
            candidates &= ~(1 << node)

    expand(0, (1 << count) - 1)
    return {node for node in range(count) if best >> node & 1}


def large_clique(count: int, linked: Callable[[int, int], bool]) -> set[int]:
    """Returns a set of nodes that are all linked with one another, of a graph of any size.

    Greedy: the nodes with the most links first. Where most nodes belong to one set it finds that. ``linked`` is called
    once for each pair, i < j.
    """
    links = np.zeros((count, count), dtype=bool)
    for i in range(count):
        for j in range(i + 1, count):
            links[i, j] = links[j, i] = linked(i, j)
    chosen: list[int] = []
    for node in np.argsort(-links.sum(axis=1), kind="stable").tolist():
        if links[node, chosen].all():
            chosen.append(node)
    return set(chosen)


def _colored(candidates: int, neighbors: Sequence[int]) -> tuple[list[int], list[int]]:
    """Returns the nodes in the order of their colors, no two linked ones alike: a clique has as many at most."""
    order, colors, color = [], [], 0
    while candidates:
        color += 1
        free = candidates
        while free:
            node = (free & -free).bit_length() - 1
            order.append(node)
            colors.append(color)
            candidates &= ~(1 << node)
            free &= ~(1 << node) & ~neighbors[node]
    return order, colors
