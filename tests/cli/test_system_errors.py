"""What the operating system refuses ends a command with a sentence, and leaves no drafts."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from a2gc_ros.cli import main as cli
from a2gc_ros.cli.base.system_errors import told


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with pictures that do not compress."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), noise)
    return folder


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EMFILE, errno.EIO, errno.EISDIR, 9999])
def test_every_error_of_the_system_has_a_sentence_and_a_code(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def app() -> None:
        raise OSError(number, os.strerror(number), "town.a2gc")

    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code in (1, 2)
    shown = capsys.readouterr().err
    assert "a2gc: town.a2gc: " in shown
    assert "Traceback" not in shown


def test_an_error_without_a_name_is_told_too() -> None:
    assert told(OSError("odd")) == ("odd: check the file, its folder and the disk", 1)


def command(*arguments: object, most_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if most_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    words = [sys.executable, "-m", "a2gc_ros.cli.main", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, preexec_fn=limit)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.mcap", "out.db3", "out.bag", "out"])
def test_a_disk_that_takes_no_more_leaves_no_draft(name: str, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    result = command("bag", "from-images", pictures, "--rate", 1, "--out", out, "--raw", most_bytes=16_384)
    assert result.returncode in (1, 2), result.stderr
    assert "a2gc: " in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("bag", "from-images", "{in}", "--rate", 1, "--out", "{in}/0.png/out.mcap"),
        ("bag", "from-images", "{in}/0.png", "--rate", 1, "--out", "{tmp}/out.mcap"),
        ("bag", "from-images", "{in}", "--rate", 1, "--out", "{tmp}/" + "x" * 300 + ".mcap"),
        ("bag", "from-images", "{in}", "--rate", 1, "--poses", "{in}", "--out", "{tmp}/out.mcap"),
        ("bag", "info", "{in}/0.png"),
        ("map", "info", "{in}"),
        ("map", "info", "{tmp}/" + "y" * 300),
        ("replay", "{in}", "--report", "{in}/0.png"),
    ],
)
def test_files_and_folders_in_each_others_place_are_told(
    arguments: tuple[object, ...], pictures: Path, tmp_path: Path
) -> None:
    result = command(*(str(word).format(**{"in": pictures, "tmp": tmp_path}) for word in arguments))
    assert result.returncode in (1, 2), result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
