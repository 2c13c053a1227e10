"""The command as a user meets it: help, version, mistakes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from a2gc_ros import __version__
from a2gc_ros.cli import main as cli
from a2gc_ros.errors import A2gcError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "a2gc_ros.cli.main", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_version() -> None:
    assert run("--version").stdout.strip() == __version__


def test_an_unknown_verb_is_a_users_mistake() -> None:
    result = run("fly")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_help_needs_neither_torch_nor_ros_nor_a_plotting_library() -> None:
    heavy = ("torch", "rclpy", "matplotlib", "faiss", "mujoco", "onnxruntime", "openvino")
    code = f"import sys; import a2gc_ros.cli.main; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Walks down to every command that does something."""
    if hasattr(command, "commands"):
        for name, child in command.commands.items():
            yield from commands(child, (*words, name))
    else:
        yield words


@pytest.mark.slow
@pytest.mark.parametrize("words", sorted(commands(typer.main.get_command(cli.app))), ids=" ".join)
def test_every_verb_explains_itself_with_an_example(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli.app, [*words, "--help"], prog_name="a2gc")
    assert result.exit_code == 0
    _usage, _, rest = result.output.strip().partition("\n")
    assert f"a2gc {' '.join(words)}" in rest


def test_an_error_is_one_sentence_and_exit_code_2(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def fail() -> None:
        raise A2gcError("map [bold]x.a2gc[/bold] is damaged; restore it")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "a2gc: map [bold]x.a2gc[/bold] is damaged; restore it\n"
