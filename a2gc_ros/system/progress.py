"""Progress bars with rich from 11.2, Ubuntu 22.04's, on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import rich.progress
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

Item = TypeVar("Item")

OnProgress = Callable[[int, "int | None"], None]
"""Is told how many are done, and of how many where that is known."""

_TAKES_NONE: Final = hasattr(rich.progress, "MofNCompleteColumn")
"""Whether totals may be None: that came with this column, in rich 12.3."""


LOG_EVERY_S: Final = 30.0
"""Between two lines of a log."""


class Progress(rich.progress.Progress):  # noqa: TID251 - what takes its place
    """A progress bar whose total need not be known at first; where nobody sees it, a line now and then.

    A task's field ``note`` stands behind its numbers.
    """

    def __init__(self, *columns: ProgressColumn, unit: str = "", **settings: Any) -> None:
        super().__init__(*columns, **settings)
        self._unit = unit
        self._said = time.monotonic()

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
        return super().add_task(description, start, total, completed, visible, **{"note": "", **fields})

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Changes a task, see :meth:`rich.progress.Progress.update`."""
        super().update(task_id, **changes)
        if self.disable and time.monotonic() - self._said >= LOG_EVERY_S:
            self._said = time.monotonic()
            self.console.print(
                log_line(self._tasks[task_id], self._unit), markup=False, highlight=False, soft_wrap=True
            )


def log_line(task: Task, unit: str = "") -> str:
    """Says in one line of a log how far a task is."""
    parts = [f"{task.completed:.0f}{f'/{task.total:.0f}' if task.total else ''} {unit}".rstrip()]
    if task.speed:
        parts.append(f"{task.speed:.1f} {unit}/s" if unit else f"{task.speed:.1f}/s")
    if task.fields.get("note"):
        parts.append(str(task.fields["note"]))
    if task.total and task.time_remaining is not None:
        minutes, seconds = divmod(round(task.time_remaining), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return f"{task.description}: {', '.join(parts)}"


class CountColumn(ProgressColumn):
    """How many are done, and of how many where that is known."""

    def render(self, task: Task) -> Text:
        """Draws it."""
        of = f"/{task.total:.0f}" if task.total else ""
        return Text(f"{task.completed:.0f}{of}", style="progress.download")


class RateColumn(ProgressColumn):
    """How many are done a second, once that is known."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Draws it."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}" if speed else "", style="progress.data.speed")


def progress_bars(unit: str = "", *columns: ProgressColumn) -> Progress:
    """Bars on stderr that go when they are done; where that is no terminal, a line every half minute.

    Args:
        unit: What is counted, such as ``images``, to show how many are done a second; empty shows no rate.
        *columns: Shown in place of the count and the rate.
    """
    console = Console(stderr=True)
    shown = columns or (CountColumn(), *([RateColumn(f"{unit}/s")] if unit else []))
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *shown,
        TextColumn("{task.fields[note]}", markup=False),
        TimeRemainingColumn(),
        unit=unit,
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


@contextmanager
def progress_bar(description: str, unit: str = "") -> Iterator[OnProgress]:
    """One bar, and what is told how many are done and of how many."""
    with progress_bars(unit) as bars:
        task = bars.add_task(description, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def progress_over(
    items: Iterable[Item], description: str, *, total: int | None = None, unit: str = ""
) -> Iterator[Item]:
    """Yields items under a bar; how many there are is told by ``total`` or by their length."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar(description, unit) as show:
        show(0, total)
        for done, item in enumerate(items, start=1):
            yield item
            show(done, total)
