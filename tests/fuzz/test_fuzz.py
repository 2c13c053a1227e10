"""A few hundred generated inputs, and every input that once went wrong; ``make fuzz`` tries many more."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent

# What the cases are made of lies beside them.
sys.path.insert(0, str(HERE))

from harness import LONGEST_S, Target, attempt, corpus_of, generator, mutated  # noqa: E402
from targets import all_targets  # noqa: E402

from a2gc_ros.errors import A2gcError  # noqa: E402

CASES = 12
"""Of each target, times its weight."""

TARGETS = all_targets()
CORPUS = [(target, file) for target in TARGETS for file in corpus_of(target)]


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_generated_inputs_end_in_a_result_or_a_sentence(target: Target, tmp_path: Path) -> None:
    for number in range(round(CASES * target.weight)):
        problem, _, seconds = attempt(target, number, tmp_path)
        assert not problem, f"case {number} of {target.name}: {problem}"
        assert seconds < LONGEST_S


@pytest.mark.parametrize(("target", "file"), CORPUS, ids=[f"{target.name}-{file.name}" for target, file in CORPUS])
def test_what_once_went_wrong_does_so_no_more(target: Target, file: Path, tmp_path: Path) -> None:
    assert target.corpus is not None
    with contextlib.suppress(A2gcError):
        target.corpus(file, tmp_path)


def test_a_number_always_gives_the_same_input() -> None:
    seeds = (b"one seed", b"another one")
    first = [mutated(generator("any", number), seeds[0], seeds) for number in range(50)]
    assert first == [mutated(generator("any", number), seeds[0], seeds) for number in range(50)]
    assert len(set(first)) > 30
