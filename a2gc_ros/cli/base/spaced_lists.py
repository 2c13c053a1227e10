"""Options that take a list by spaces and by commas: ``--model a.onnx b.onnx`` and ``--model a.onnx,b.onnx``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from a2gc_ros.cli.base.any_typer import TyperCommand


def command_with(*options: str) -> type[TyperCommand]:
    """A class for a command whose ``options`` take every word that follows, up to the next option.

    Arguments without an option's name must so stand before them, or after another option.
    """

    class Spaced(TyperCommand):
        """The command; each word reaches it as if the option had been named before it."""

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            return list(super().parse_args(ctx, spread(args, options)))

    return Spaced


def spread(words: Iterable[str], options: Collection[str]) -> list[str]:
    """Repeats a list option before each further word of its list."""
    result: list[str] = []
    option: str | None = None
    filled = False
    for word in words:
        if word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            option, filled = (name if name in options else None), bool(equals)
        elif option is not None and filled:
            result.append(option)
        else:
            filled = True
        result.append(word)
    return result


def items(values: Iterable[str] | None) -> list[str]:
    """The entries of a list option, which may hold commas; none twice, and a file's name stays whole."""
    found: list[str] = []
    for value in values or ():
        found += [value] if Path(value).expanduser().exists() else [word.strip() for word in value.split(",")]
    return list(dict.fromkeys(word for word in found if word))
