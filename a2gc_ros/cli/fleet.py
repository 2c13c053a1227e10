"""``a2gc fleet``: prepare the database of a fleet."""

from __future__ import annotations

from typing import Annotated

from a2gc_ros.cli.base import any_typer as typer
from a2gc_ros.cli.base.app import group

fleet_app = group("fleet", "Prepare the PostgreSQL database that holds the maps of a fleet.")

UrlArgument = Annotated[str, typer.Argument(help="The database, postgresql://owner@host/database.", show_default=False)]


@fleet_app.command()
def init(database: UrlArgument) -> None:
    """Make the tables, or bring them to the present form; the owner of the database does this.

    Examples:
    `a2gc fleet init postgresql://postgres@fleet.example/maps`
    """
    from a2gc_ros.fleet import initialize

    steps = initialize(database)
    typer.echo(f"{steps} steps were taken" if steps else "the tables are as they should be")


@fleet_app.command()
def index(
    database: UrlArgument,
    fingerprint: Annotated[str, typer.Argument(help="Of the model, as `a2gc map info --json` prints it.")],
) -> None:
    """Build the index with which `a2gc map locate` takes milliseconds; the owner of the database does this.

    Pushes take longer from then on. Robots do not need it: they search their own maps.

    Examples:
    `a2gc fleet index postgresql://postgres@fleet.example/maps 8c1f...`
    """
    from a2gc_ros.fleet import index_model

    index_model(database, fingerprint)
    typer.echo("the index is built")
