"""What ``a2gc eval``, ``compare`` and ``viz retrieval`` share: opening data sets, and bars for what runs on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a2gc_ros.cli.base.options import SamePlace
from a2gc_ros.cli.datasets import usable
from a2gc_ros.errors import ConfigError
from a2gc_ros.system.progress import progress_bars

if TYPE_CHECKING:
    from a2gc_ros.evaluation.dataset import Dataset
    from a2gc_ros.evaluation.evaluate import Watch

ALL = "all"
"""In place of a benchmark's name: every one that is there."""


@dataclass(frozen=True)
class Own:
    """Data of one's own, as the options name it; ``database_truth`` takes the place of ``truth`` for the database."""

    database: Path | None
    queries: Path | None
    truth: str | None
    rule: SamePlace
    database_truth: str | None = None


def open_all(names: list[str], root: Path | None, own: Own, group_by: str | None = None) -> list[Dataset]:
    """Opens benchmarks by name, tasks by file, and the user's own data.

    Raises:
        ConfigError: There is none, benchmarks have no root, or only one of the two sides of one's own is named.
        DatasetError: One is incomplete or damaged.
    """
    from a2gc_ros.evaluation.datasets.catalogue import benchmark

    if (own.database is None) != (own.queries is None):
        raise ConfigError("--database and --queries belong together; give both.")
    sets = []
    for name in _all_found(names, root):
        if name.endswith((".yaml", ".yml")):
            from a2gc_training.benchmark import read_task

            sets.append(read_task(Path(name), group_by))
            continue
        entry = benchmark(name)
        if root is None:
            raise ConfigError(f"Say where {name} lies: --data-root, or the environment variable A2GC_DATA.")
        sets.append(entry.open(root))
    if own.database is not None and own.queries is not None:
        sets.append(_open_own(own, own.database, own.queries))
    if not sets:
        raise ConfigError(
            "There is nothing to evaluate; name a data set (`a2gc datasets list`), or give --database and --queries."
        )
    return sets


def _all_found(names: list[str], root: Path | None) -> list[str]:
    """The names, `ALL` replaced by those of every benchmark that is there.

    Raises:
        ConfigError: There is no root to look below, or nothing below it.
    """
    if ALL not in names:
        return names
    if root is None:
        raise ConfigError("--datasets all needs the folder they lie in: --data-root, or the variable A2GC_DATA.")
    found = [name for name, entry in usable().items() if entry.found(root)]
    if not found:
        raise ConfigError(f"No benchmark lies below {root}; `a2gc datasets check` says what is expected where.")
    return [*(name for name in names if name not in (ALL, *found)), *found]


def _open_own(own: Own, database: Path, queries: Path) -> Dataset:
    from a2gc_ros.bags.formats import is_recording
    from a2gc_ros.evaluation.datasets.own_files import open_folders
    from a2gc_ros.evaluation.datasets.recordings import Pairing, RunOptions, open_recordings

    name = f"{database.stem} / {queries.stem}"
    recorded = [is_recording(path) for path in (database, queries)]
    if all(recorded):
        asked = RunOptions(own.rule.topic, own.truth, own.rule.spacing)
        searched = replace(asked, truth=own.database_truth or own.truth)
        pairing = Pairing(own.rule.radius or Pairing.metres, own.rule.heading)
        return open_recordings((database, searched), (queries, asked), pairing, name=name)
    if any(recorded):
        raise ConfigError(f"{database} and {queries} are a recording and a folder; give two of a kind.")
    truth = None if own.truth is None else Path(own.truth)
    return open_folders(database, queries, truth, name=name, metres=own.rule.radius or 25.0, degrees=own.rule.heading)


@contextmanager
def watch_bars() -> Iterator[Watch]:
    """What an evaluation tells how far it is: a bar for each thing that is done, its rate from where that began."""
    tasks: dict[str, Any] = {}
    with progress_bars("rows") as bars:

        def watch(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, completed=done)
            bars.update(tasks[what], completed=done)

        yield watch
