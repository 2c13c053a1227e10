"""Names that open something: ours, and those that installed packages add by entry points.

A package adds to a group by one line of its own metadata (docs/extend.md). Nothing of it is imported before somebody
names it, and a name that two would answer to is refused.
"""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar, cast

from a2gc_ros.errors import A2gcError

GROUPS = "a2gc_ros."
"""What the name of every group begins with."""

T = TypeVar("T")


# A robot has hundreds of packages: their metadata is read once for a process, and not before it is asked for.
_of_all_packages = functools.cache(importlib.metadata.entry_points)


@functools.cache
def installed(group: str) -> tuple[EntryPoint, ...]:
    """What installed packages add to a group."""
    return tuple(_of_all_packages().select(group=group))


def look_again() -> None:
    """Has packages found that were installed since the process looked first."""
    installed.cache_clear()
    _of_all_packages.cache_clear()


class Registry(Mapping[str, T], Generic[T]):
    """What stands under a name: ours in their order, then what packages add, by name.

    Listing names imports nothing; what stands under one is loaded when it is looked up.

    Args:
        group: Of entry points, below `GROUPS`.
        what: What stands under a name, for messages: "runtime".
        error: What is raised where a package's cannot be had.
        ours: Each by name, either itself or where it lies, as in an entry point: "package.module:attribute".
        fits: Whether what a package adds is of the right kind.
        kind: What the right kind is, for messages: "a class derived from Backbone".

    Raises:
        A2gcError: On looking up a name that several packages claim, or ours and one of theirs, or what cannot be
            imported or is of another kind; it is an ``error``.
    """

    def __init__(
        self,
        group: str,
        what: str,
        error: type[A2gcError],
        ours: Mapping[str, T | str],
        *,
        fits: Callable[[Any], bool] = callable,
        kind: str = "something to call",
    ) -> None:
        self.group = GROUPS + group
        self._what, self._error, self._ours, self._fits, self._kind = what, error, ours, fits, kind

    def __iter__(self) -> Iterator[str]:
        yield from self._ours
        yield from self.added

    def __len__(self) -> int:
        return len(self._ours) + len(self.added)

    def __contains__(self, name: object) -> bool:
        return name in self._ours or name in self.added

    def __getitem__(self, name: str) -> T:
        claims = [point for point in installed(self.group) if point.name == name]
        ours = name in self._ours
        if len(claims) + ours > 1:
            claimants = ["a2gc_ros"] * ours + sorted(map(_package, claims))
            raise self._error(
                f"the {self._what} {name!r} is claimed by {' and by '.join(claimants)}: uninstall one of them, or have "
                "it take another name"
            )
        if ours:
            found = self._ours[name]
            return cast(T, EntryPoint(name, found, self.group).load()) if isinstance(found, str) else found
        if not claims:
            raise KeyError(name)
        return self._loaded(claims[0])

    def usable(self, tell: Callable[[str], None]) -> dict[str, T]:
        """Returns all that can be had, by name; of a package's that cannot, says why.

        Args:
            tell: Is given one sentence for each name that cannot be had.
        """
        found: dict[str, T] = {}
        for name in self:
            try:
                found[name] = self[name]
            except self._error as error:
                tell(str(error))
        return found

    @property
    def added(self) -> list[str]:
        """Names that packages add and that are not ours, sorted."""
        return sorted({point.name for point in installed(self.group)} - set(self._ours))

    def _loaded(self, point: EntryPoint) -> T:
        package = _package(point)
        try:
            found = point.load()
        # Foreign code runs here, which may raise anything.
        except Exception as error:
            raise self._error(
                f"the {self._what} {point.name!r} of {package} cannot be loaded ({type(error).__name__}: {error}): "
                f"install what it needs, or uninstall {package}"
            ) from error
        if not self._fits(found):
            raise self._error(
                f"the {self._what} {point.name!r} of {package} is not {self._kind}: {point.value} is a "
                f"{type(found).__name__}; tell its authors, docs/extend.md says what is wanted"
            )
        return cast(T, found)


def is_class_of(base: type) -> Callable[[Any], bool]:
    """Returns a test for classes that are derived from another."""
    return lambda found: isinstance(found, type) and issubclass(found, base)


def _package(point: EntryPoint) -> str:
    distribution = point.dist
    return "an unknown package" if distribution is None else distribution.metadata["Name"]
