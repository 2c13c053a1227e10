"""How likely a run of verified pairs makes a place: a logistic law over four numbers, fitted on real recordings.

The law is data, not code: `benchmarks/evidence.py` fits it on recordings with known loops and on look-alikes, and
writes the file beside this module. A similarity means what the model makes it mean, so the file names the models whose
cosines it was fitted on; for others the law that goes without similarities is taken.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import ConfigError

FILE: Final = "evidence.json"
VERSION: Final = 1


@dataclass(frozen=True)
class EvidenceModel:
    """Logarithm of the odds of a run: ``intercept + mean(share * s + coverage * c + advance * a) + length * log(n)``.

    The mean is over the n pairs of a run. Of a pair, s is the share of inliers among its matches, ``doubt`` more being
    taken to disagree; c is the share of either image over which the inliers are spread; and a is by how much the
    keyframe resembles the query more than other places do. No coefficient is negative: more agreement never makes a
    place less likely.

    Attributes:
        intercept: Of an empty run.
        share: For a share of one.
        coverage: For a coverage of one.
        advance: For a cosine of one; 0 where similarities are not used.
        length: For each e times as many pairs.
        doubt: Matches that are taken to disagree beside those that were found.
        most_coverage: A coverage beyond this counts as this.
        most_advance: An advance beyond this counts as this.
    """

    intercept: float
    share: float
    coverage: float
    advance: float
    length: float
    doubt: float
    most_coverage: float
    most_advance: float

    def __post_init__(self) -> None:
        for name in ("share", "coverage", "advance", "length", "doubt"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"evidence: {name} is {getattr(self, name)}, it must not be negative")

    def measures(
        self,
        inliers: npt.NDArray[np.float64],
        matches: npt.NDArray[np.float64],
        coverages: npt.NDArray[np.float64],
        advances: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Returns share, coverage and advance of verified pairs, as the law takes them, (N, 3); all given ones (N,)."""
        return np.column_stack(
            [
                inliers / (matches + self.doubt),
                np.minimum(coverages, self.most_coverage),
                np.clip(advances, -self.most_advance, self.most_advance),
            ]
        )

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """What each of :meth:`measures` counts, (3,)."""
        return np.array([self.share, self.coverage, self.advance])

    def probability(self, strength: float, length: int) -> float:
        """Returns the probability that a run of ``length`` pairs, at least 1, of this mean strength shows one place."""
        odds = self.intercept + strength + self.length * math.log(length)
        return 1 / (1 + math.exp(-min(max(odds, -500.0), 500.0)))


def shipped(fingerprint: str) -> EvidenceModel:
    """Returns the law for an extractor's descriptors: without similarities where the file does not name it."""
    text = resources.files("a2gc_ros.loops").joinpath(FILE).read_text(encoding="utf-8")
    return parse(json.loads(text), fingerprint)


def parse(document: dict[str, Any], fingerprint: str) -> EvidenceModel:
    """Reads the law for a model from a file's content.

    Raises:
        ConfigError: If it is of another version, or no such file.
    """
    try:
        if document["version"] != VERSION:
            raise ConfigError(
                f"{FILE} is of version {document['version']}, this release reads {VERSION}: install again"
            )
        known = fingerprint in document["fingerprints"]
        return EvidenceModel(**document["with_similarity" if known else "without_similarity"])
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{FILE} is no evidence model ({error}): install a2gc_ros again") from error
