"""Published weights: where they are, how they are laid out, and under which licence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Weights:
    """One file of weights.

    Attributes:
        file: Its name, in a local folder or in the cache.
        layout: Key of `checkpoints.LAYOUTS`.
        licence: Under which it is published.
        url: Where it can be downloaded; None where it cannot.
        sha256: Its hash, or as many leading digits of it as its publisher tells; None where the publisher tells
            none, in which case the hash of the first download is recorded and held to from then on.
        shipped: Name of the model that comes with the package and has them as its backbone, in half precision; used
            where the file is not at hand and cannot be downloaded.
        page: Where a person finds the file, if a program cannot download it.
    """

    file: str
    layout: str
    licence: str
    url: str | None = None
    sha256: str | None = None
    shipped: str | None = None
    page: str | None = None
