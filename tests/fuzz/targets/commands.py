"""Arguments of the command line, as slips and scripts give them."""

from __future__ import annotations

import contextlib
import io
import os
import random
import sys
from functools import cache
from pathlib import Path

from harness import Target, kept_folder

from a2gc_ros.cli import main as cli
from targets import maps, recordings

CODES = (0, 1, 2)
WORDS = (
    "",
    "-1",
    "0",
    "nan",
    "1e999",
    "--",
    "-",
    "nowhere",
    "x" * 4096,
    "é\ud800",
    "auto",
    "/dev/null",
    "/",
    ".",
    "%s",
    "[a]",
)
COMMANDS = (
    ("bag", "info", "FILE", "--json"),
    ("bag", "from-images", "FILE", "--rate", "WORD", "--out", "NEW"),
    ("bag", "from-images", "FILE", "--poses", "FILE", "--out", "NEW"),
    ("bag", "from-images", "FILE", "--calibration", "FILE", "--rate", "1", "--topic", "WORD", "--out", "NEW"),
    ("map", "info", "FILE"),
    ("map", "list", "FILE", "--session", "WORD"),
    ("map", "export", "FILE", "--out", "NEW"),
    ("map", "merge", "FILE", "FILE", "--out", "NEW"),
    ("map", "build", "FILE", "--topic", "WORD", "--out", "NEW", "--model", "FILE"),
    ("map", "build", "FILE", "--trajectory", "FILE", "--out", "NEW", "--model", "WORD"),
    ("replay", "FILE", "--report", "NEW", "--map", "FILE", "--model", "FILE"),
    ("replay", "FILE", "--report", "NEW", "--set", "WORD", "--rectification", "WORD"),
    ("models", "WORD"),
    ("extract", "FILE", "--model", "FILE", "--out", "NEW"),
    ("eval", "WORD"),
    ("viz", "map", "FILE", "--out", "NEW"),
    ("WORD", "WORD"),
)


@cache
def files() -> tuple[str, ...]:
    folder = kept_folder()
    (folder / "town.a2gc").write_bytes(maps.a_map())
    for name, data in recordings.recordings().items():
        (folder / name).write_bytes(data)
    (folder / "half.mcap").write_bytes(recordings.recordings()["run.mcap"][:700])
    (folder / "poses.csv").write_text("stamp;x\n1;2;3\n")
    (folder / "empty").mkdir()
    return tuple(str(path) for path in sorted(folder.iterdir()))


def command(rng: random.Random, folder: Path) -> None:
    words = []
    for word in rng.choice(COMMANDS):
        chosen = {"FILE": rng.choice((*files(), *WORDS)), "WORD": rng.choice(WORDS), "NEW": str(folder / "new")}
        words.append(chosen.get(word, word))
    if rng.random() < 0.3:
        words.insert(rng.randrange(len(words) + 1), rng.choice(WORDS))
    called(words, folder)


def called(words: list[str], folder: Path) -> None:
    """Runs a command as a shell would, in a folder where its results do no harm."""
    before, here = sys.argv, Path.cwd()
    sys.argv = ["a2gc", *words]
    os.chdir(folder)
    code: object = 0
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as told:
            cli.main()
    except SystemExit as left:
        code = left.code or 0
    finally:
        sys.argv = before
        os.chdir(here)
    assert code in CODES, f"{words}: exit code {code}"
    assert "Traceback" not in told.getvalue(), told.getvalue()
    assert not code or told.getvalue().strip(), f"{words}: failed without a word"


def targets() -> list[Target]:
    """The command line."""
    return [Target("command", command, 1.0, lambda file, folder: called(file.read_text().splitlines(), folder))]
