"""Results of a benchmark in two files: the numbers as JSON, the tables as Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any


def keep(out: Path, machine: str, rows: Sequence[Any], text: str) -> None:
    """Writes OUT.json and OUT.md; to be called after each row, so that what was measured survives an interruption.

    Args:
        out: Path without an ending.
        machine: What the rows were measured on.
        rows: Dataclasses.
        text: The tables.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, "rows": [asdict(row) for row in rows]}
    out.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(text, encoding="utf-8")
