"""The application that every verb adds itself to."""

from __future__ import annotations

from a2gc_ros.cli.base import any_typer as typer

app = typer.Typer(
    name="a2gc",
    help="Visual place recognition for robots: maps from bags, loop closures, training and export of models.",
    pretty_exceptions_enable=False,
)


def group(name: str, summary: str) -> typer.Typer:
    """Adds a verb that has commands of its own, and returns it for them."""
    made = typer.Typer(help=summary)
    app.add_typer(made, name=name)
    return made
