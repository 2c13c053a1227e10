"""Parts of a work that processes of their own do, numbered by whoever starts them: a person, SLURM or Kubernetes."""

from __future__ import annotations

import os
from dataclasses import dataclass

from a2gc_ros.errors import ConfigError

INDEX_VARIABLES = (("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN"), ("JOB_COMPLETION_INDEX", ""))
"""Where SLURM's job arrays and Kubernetes' indexed jobs say which part a process is, and from what they count."""


@dataclass(frozen=True)
class Shard:
    """One part of several.

    Attributes:
        number: Which, from 1.
        count: Of how many.
    """

    number: int
    count: int

    def __str__(self) -> str:
        return f"part {self.number} of {self.count}"

    def has(self, batch: int) -> bool:
        """Says whether a batch of the work, counted from 0, belongs to this part."""
        return batch % self.count == self.number - 1


def parse(text: str) -> Shard:
    """Reads ``2/8``, or ``auto/8``: then the part is the one that SLURM or Kubernetes names in the environment.

    Raises:
        ConfigError: If this is no part, or the environment names none.
    """
    which, _, of = text.partition("/")
    if not of.isdecimal() or not (which.isdecimal() or which == "auto"):
        raise ConfigError(f"{text!r} is no part: write it as 2/8, or auto/8 under SLURM or Kubernetes")
    number, count = _from_environment() if which == "auto" else int(which), int(of)
    if not 1 <= number <= count:
        raise ConfigError(f"there is no part {number} of {count}: parts are counted from 1")
    return Shard(number, count)


def _from_environment() -> int:
    for variable, base in INDEX_VARIABLES:
        text = os.environ.get(variable, "")
        if text.isdecimal():
            return int(text) - int(os.environ.get(base) or 0) + 1
    names = " nor ".join(variable for variable, _ in INDEX_VARIABLES)
    raise ConfigError(f"neither {names} is set: name the part, as 2/8")
