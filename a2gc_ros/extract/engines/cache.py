"""A folder of engines that several processes share.

Reading needs no lock, since a file is replaced in one step. Building takes one: the second process that wants the same
engine waits for the first and reads what it wrote.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Generic, TypeVar

from filelock import FileLock, Timeout

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.engines.file import SUFFIX, EngineFileError, read_engine, write_engine
from a2gc_ros.extract.engines.key import EngineKey
from a2gc_ros.system.files import remove_drafts
from a2gc_ros.system.folders import cache_folder

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Obtained(Generic[T]):
    """An engine from the cache.

    Attributes:
        engine: What the runtime made of the file.
        path: The file.
        reason: Why it was taken or built, in words.
        built: Whether it was built now.
    """

    engine: T
    path: Path
    reason: str
    built: bool


class EngineCache:
    """Engines by what they were built of and for; by default in ``a2gc_ros/engines`` of the user's cache folder."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or cache_folder("engines")).expanduser()

    def path_of(self, key: EngineKey) -> Path:
        """Where the engine of a key lies, whether or not it is there."""
        return self.folder / f"{key.stem}{SUFFIX}"

    def paths(self) -> list[Path]:
        """The engines that are there, by name."""
        # Names that begin with a dot are drafts.
        return sorted(path for path in self.folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))

    def subfolder(self, name: str) -> Path:
        """A folder beside the engines, for a runtime that keeps its own; raises BackendError if it cannot be made."""
        try:
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _no_folder(self.folder, error) from None
        return self.folder / name

    def obtain(self, key: EngineKey, build: Callable[[], bytes], load: Callable[[bytes], T | None]) -> Obtained[T]:
        """Loads the engine of a key; builds it where there is none, or one that will not do.

        Args:
            key: What the engine must have been built of and for.
            build: Makes the engine's bytes; called at most once, and by one process at a time.
            load: What the runtime makes of the bytes, or None where it refuses them.

        Raises:
            BackendError: The folder cannot be used, or the runtime refuses an engine that was just built.
        """
        path = self.path_of(key)
        engine, _ = self._load(path, key, load)
        if engine is not None:
            return Obtained(engine, path, f"the engine {path.name} was in the cache", False)
        with self._building(path):
            engine, reason = self._load(path, key, load)
            if engine is not None:
                return Obtained(engine, path, f"the engine {path.name} was built by another process", False)
            _log.warning("%s; building the engine takes seconds to minutes and is done once", reason)
            begun = time.monotonic()
            plan = build()
            seconds = time.monotonic() - begun
            now = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
            try:
                write_engine(path, key, plan, built_s=seconds, built_at=now)
            except OSError as error:
                raise _no_folder(self.folder, error) from None
        engine = load(plan)
        if engine is None:
            raise BackendError(f"{key.runtime} {key.version} does not load the engine that it built for {key.model}.")
        return Obtained(engine, path, f"{reason}, so it was built in {seconds:.0f} s", True)

    def _load(self, path: Path, key: EngineKey, load: Callable[[bytes], T | None]) -> tuple[T | None, str]:
        """The engine, or why the file that is there will not do."""
        try:
            header, plan = read_engine(path)
        except FileNotFoundError:
            return None, f"there was no engine {path.name} in {self.folder}"
        except OSError as error:
            return None, f"the engine {path.name} could not be read ({error.strerror})"
        except EngineFileError as error:
            return None, f"the engine {path.name} was not used, since {error}"
        problem = header.key.difference(key)
        if problem is None:
            engine = load(plan)
            if engine is not None:
                return engine, ""
            problem = f"{key.runtime} refuses it"
        return None, f"the engine {path.name} was not used, since {problem}"

    @contextmanager
    def _building(self, path: Path) -> Iterator[None]:
        """Holds the lock of a file; the system frees it when the process ends, however it ends."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / f".{path.stem}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                _log.warning("another process is building %s; waiting for it", path.name)
                lock.acquire()
        except OSError as error:
            raise _no_folder(self.folder, error) from None
        try:
            remove_drafts(path)
            yield
        finally:
            lock.release()


def _no_folder(folder: Path, error: OSError) -> BackendError:
    return BackendError(
        f"The engine cache {folder} cannot be written ({error.strerror}); set engine_cache to a folder of yours."
    )
