"""Progress bars with rich from 11.2, Ubuntu 22.04's, on."""

from __future__ import annotations

from typing import Any, Final

import rich.progress
from rich.progress import ProgressColumn, Task, TaskID
from rich.text import Text

_TAKES_NONE: Final = hasattr(rich.progress, "MofNCompleteColumn")
"""Whether totals may be None: that came with this column, in rich 12.3."""


class Progress(rich.progress.Progress):  # noqa: TID251 - what takes its place
    """A progress bar whose total need not be known at first."""

    def add_task(
        self,
        description: str,
        start: bool = True,
        total: float | None = None,
        completed: int = 0,
        visible: bool = True,
        **fields: Any,
    ) -> TaskID:
        """Adds a line, see :meth:`rich.progress.Progress.add_task`; ``total`` is None where it is not known yet."""
        if total is None and not _TAKES_NONE:
            total = 0.0
        return super().add_task(description, start, total, completed, visible, **fields)


class CountColumn(ProgressColumn):
    """How many are done, and of how many where that is known."""

    def render(self, task: Task) -> Text:
        """Draws it."""
        of = f"/{task.total:.0f}" if task.total else ""
        return Text(f"{task.completed:.0f}{of}", style="progress.download")


class RateColumn(ProgressColumn):
    """How many are done a second, once that is known.

    Args:
        unit: What they are, such as ``images/s``.
    """

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Draws it."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}" if speed else "", style="progress.data.speed")
