"""The law of evidence: what ships is one, and a file that is none is refused."""

from __future__ import annotations

import dataclasses
import json
from importlib import resources
from typing import Any

import pytest

from a2gc_ros.errors import ConfigError
from a2gc_ros.loops.evidence import FILE as NAME
from a2gc_ros.loops.evidence import EvidenceModel, parse, shipped

LAW = EvidenceModel(
    intercept=-20.0, share=20.0, coverage=5.0, advance=2.0, length=2.0, doubt=3.0, most_coverage=0.5, most_advance=0.3
)
BLIND = dataclasses.replace(LAW, advance=0.0)
FILE: dict[str, Any] = {
    "version": 1,
    "fingerprints": {"a" * 64: "ours"},
    "with_similarity": dataclasses.asdict(LAW),
    "without_similarity": dataclasses.asdict(BLIND),
}


def test_only_a_model_whose_cosines_were_fitted_is_judged_by_them() -> None:
    assert parse(FILE, "a" * 64) == LAW
    assert parse(FILE, "b" * 64) == BLIND


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 2"),
        ({"without_similarity": None}, "no evidence model"),
        ({"without_similarity": {"intercept": 0.0}}, "no evidence model"),
        ({"without_similarity": dataclasses.asdict(BLIND) | {"length": -1.0}}, "length is -1.0"),
    ],
)
def test_what_is_no_law_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(FILE | change, "b" * 64)


def test_what_ships_is_sure_of_a_street_passed_again_and_not_of_a_sign_board_on_another_floor() -> None:
    known = json.loads(resources.files("a2gc_ros.loops").joinpath(NAME).read_text(encoding="utf-8"))["fingerprints"]
    assert known
    for fingerprint in ("b" * 64, *known):
        law = shipped(fingerprint)
        street, board = [0.95, 0.45, 0.1], [0.87, 0.35, 0.0]
        assert law.probability(float(law.weights @ street), 6) > 0.999
        assert law.probability(float(law.weights @ board), 3) < 0.999


@pytest.mark.parametrize("strength", [-1e9, 1e9])
def test_overwhelming_evidence_is_a_probability_too(strength: float) -> None:
    assert 0 <= LAW.probability(strength, 1) <= 1
