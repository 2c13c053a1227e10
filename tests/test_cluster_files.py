"""The files for SLURM, Kubernetes and Docker Compose say what their programs read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]

STAND_IN = """#!/bin/bash
printf '%s' "$(basename "$0")" >> "$LOG"
printf ' <%s>' "$@" >> "$LOG"
echo >> "$LOG"
"""


@pytest.mark.parametrize("task", [1, 3])
def test_each_task_of_an_array_builds_its_part_and_the_last_one_merges(task: int, tmp_path: Path) -> None:
    script = REPOSITORY / "docker/build_map.sbatch"
    for name in ("a2gc", "sbatch"):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)
    for part in range(1, 4):
        (tmp_path / f"my town.a2gc.part{part}").touch()
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "LOG": str(tmp_path / "log"),
        "SLURM_ARRAY_TASK_ID": str(task),
        "SLURM_ARRAY_TASK_COUNT": "3",
        "SLURM_ARRAY_TASK_MAX": "3",
        "SLURM_ARRAY_JOB_ID": "77",
        "SLURM_CPUS_PER_TASK": "2",
    }
    command = ["bash", str(script), "a.mcap", "b c.mcap", "--", "my town.a2gc"]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True)
    first, *rest = (tmp_path / "log").read_text().splitlines()
    assert first == (
        f"a2gc <map> <build> <a.mcap> <b c.mcap> <--out> <my town.a2gc.part{task}> <--shard> <auto/3> <--threads> <2>"
    )
    if task == 1:
        assert rest == []
    else:
        assert len(rest) == 1
        assert rest[0].startswith("sbatch <--dependency=afterok:77> <--wrap> <a2gc map merge my\\ town.a2gc.part1 ")


def test_the_job_counts_its_parts_as_the_command_does() -> None:
    job = yaml.safe_load((REPOSITORY / "docker/build_map.job.yaml").read_text(encoding="utf-8"))
    spec = job["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (job["kind"], spec["completionMode"]) == ("Job", "Indexed")
    assert f"--shard auto/{spec['completions']} " in container["args"][0]
    assert "$JOB_COMPLETION_INDEX" in container["args"][0]


def test_the_database_is_reached_from_its_own_computer_alone() -> None:
    compose = yaml.safe_load((REPOSITORY / "docker/fleet-compose.yaml").read_text(encoding="utf-8"))
    database = compose["services"]["database"]
    assert database["image"].startswith("pgvector/pgvector:")
    assert all(port.startswith("127.0.0.1:") for port in database["ports"])
    assert "password}" in database["environment"]["POSTGRES_PASSWORD"]
