"""Parts, as people and schedulers name them."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.errors import ConfigError
from a2gc_ros.system.shards import Shard, parse


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("2/8", {}, Shard(2, 8)),
        ("auto/4", {"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "1"}, Shard(3, 4)),
        ("auto/4", {"SLURM_ARRAY_TASK_ID": "3"}, Shard(4, 4)),
        ("auto/4", {"JOB_COMPLETION_INDEX": "0"}, Shard(1, 4)),
        ("auto/4", {"JOB_COMPLETION_INDEX": "4"}, None),
        ("auto/4", {}, None),
        ("0/4", {}, None),
        ("5/4", {}, None),
        ("1/0", {}, None),
        ("1", {}, None),
        ("a/b", {}, None),
        ("-1/4", {}, None),
    ],
)
def test_a_part_as_people_and_schedulers_name_it(
    text: str, environment: dict[str, str], shard: Shard | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "JOB_COMPLETION_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if shard is None:
        with pytest.raises(ConfigError):
            parse(text)
    else:
        assert parse(text) == shard


def test_batches_are_dealt_out_in_turn() -> None:
    owners = np.array([[Shard(n, 4).has(batch) for n in range(1, 5)] for batch in range(40)])
    assert (owners.sum(axis=1) == 1).all()
    assert (owners.sum(axis=0) == 10).all()
