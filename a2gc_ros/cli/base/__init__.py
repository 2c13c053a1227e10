"""What every verb stands on: Typer in any version, options that several have, tables, and the words of errors."""
