"""Entry point of the ``a2gc`` command.

Each verb lives in its own module, which adds itself to the application where it is imported. Modules import only light
things at the top, so that ``a2gc --help`` answers at once and a robot without torch can use every verb that needs none.
"""

from __future__ import annotations

import importlib
import sys

from rich.console import Console
from rich.markup import escape

from a2gc_ros import __version__
from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base.app import app
from a2gc_ros.cli.base.system_errors import told
from a2gc_ros.errors import A2gcError

VERBS: tuple[str, ...] = (
    "adapt",
    "bag",
    "compare",
    "datasets",
    "engine",
    "eval",
    "export",
    "extract",
    "fleet",
    "map",
    "models",
    "quantize",
    "replay",
    "serve",
    "simulate",
    "slam",
    "train",
    "viz",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Options that stand before any verb."""


for _verb in VERBS:
    importlib.import_module(f"a2gc_ros.cli.{_verb}")


def main() -> None:
    """Runs the command; a user's mistake prints one sentence and exits with 2, a machine's trouble with 1."""
    try:
        app()
    except A2gcError as error:
        _tell(str(error))
        sys.exit(2)
    except OSError as error:
        sentence, code = told(error)
        _tell(sentence)
        sys.exit(code)
    except MemoryError:
        _tell("there is not enough memory: free some, or work on less at once")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _tell(sentence: str) -> None:
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"[red]a2gc:[/red] {escape(sentence)}")


if __name__ == "__main__":
    main()
