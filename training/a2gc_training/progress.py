"""A progress bar for what Lightning's does not cover."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def watched(items: Iterable[T], what: str) -> Iterable[T]:
    """The items, with a bar, its rate and its end time on stderr where that is a terminal."""
    console = Console(stderr=True)
    return track(items, what, console=console, disable=not console.is_terminal, show_speed=True, transient=True)
