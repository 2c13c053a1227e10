"""Recipes that build on one another."""

from __future__ import annotations

from pathlib import Path

import pytest
from a2gc_training.recipe import read_extended

from a2gc_ros.errors import ConfigError


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_mappings_merge_and_lists_and_values_replace(tmp_path: Path) -> None:
    write(
        tmp_path,
        base="{name: base, model: {name: a, options: {x: 1, y: 2}}, train: [1, 2], seed: 3}",
        middle="{extends: base.yaml, model: {options: {y: 5}}}",
        top="{extends: middle.yaml, name: top, train: [7]}",
    )
    assert read_extended(tmp_path / "top.yaml") == {
        "name": "top",
        "model": {"name": "a", "options": {"x": 1, "y": 5}},
        "train": [7],
        "seed": 3,
    }


def test_the_path_is_relative_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    write(tmp_path, base="{name: base}")
    write(tmp_path / "deep", top="{extends: ../base.yaml, seed: 1}")
    assert read_extended(tmp_path / "deep" / "top.yaml") == {"name": "base", "seed": 1}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{extends: top.yaml}", "extends itself in the end"),
        ("{extends: other.yaml}", "extends itself in the end"),
        ("{extends: [base.yaml]}", "must be the path of another recipe"),
        ("{extends: missing.yaml}", r"missing\.yaml cannot be read"),
    ],
)
def test_what_cannot_be_extended_is_refused(text: str, sentence: str, tmp_path: Path) -> None:
    write(tmp_path, top=text, other="{extends: top.yaml}")
    with pytest.raises(ConfigError, match=sentence):
        read_extended(tmp_path / "top.yaml")
