"""Figures that others published on a protocol."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

KS = (1, 5, 10, 20)


@dataclass(frozen=True)
class Figure:
    """What somebody published.

    Attributes:
        method: Name of the method.
        backbone: Its network and input size.
        dim: Length of its descriptor; None where the source does not say.
        recall: K to recall, percent.
        source: Title of the source.
        url: Where it stands.
        differs: What is not as in our protocol of that name; None where nothing is known to differ.
    """

    method: str
    backbone: str
    dim: int | None
    recall: dict[int, float]
    source: str
    url: str
    differs: str | None


@functools.cache
def _all() -> dict[str, list[Figure]]:
    content: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    figures: dict[str, list[Figure]] = {}
    for entry in content["figures"]:
        source = content["sources"][entry["source"]]
        for dataset, values in entry["recall"].items():
            recall = {k: float(value) for k, value in zip(KS[: len(values)], values, strict=True) if value is not None}
            facts = (entry["method"], entry["backbone"], entry["dim"], recall, source["title"], source["url"])
            figures.setdefault(dataset, []).append(Figure(*facts, entry.get("differs")))
    return figures


def published(dataset: str) -> list[Figure]:
    """Figures published on a protocol, best R@1 first."""
    return sorted(_all().get(dataset, []), key=lambda figure: -figure.recall[1])
