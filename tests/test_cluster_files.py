"""The files for SLURM, Kubernetes and Docker Compose say what their programs read."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from a2gc_ros.cli.main import app

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPT = REPOSITORY / "docker/in_parts.sbatch"

STAND_IN = """#!/bin/bash
printf '%s' "$(basename "$0")" >> "$LOG"
printf ' <%s>' "$@" >> "$LOG"
echo >> "$LOG"
"""


@pytest.mark.parametrize("task", [1, 3])
def test_each_task_of_an_array_does_its_part_and_the_last_one_has_them_joined(task: int, tmp_path: Path) -> None:
    for name in ("a2gc", "sbatch"):
        (tmp_path / name).write_text(STAND_IN)
        (tmp_path / name).chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "LOG": str(tmp_path / "log"),
        "SLURM_ARRAY_TASK_ID": str(task),
        "SLURM_ARRAY_TASK_MAX": "3",
        "SLURM_ARRAY_JOB_ID": "77",
    }
    part, join = "a2gc extract 'my photos' --out part$SLURM_ARRAY_TASK_ID.npz", "a2gc extract part*.npz --out all.npz"
    subprocess.run(["bash", str(SCRIPT), part, join], env=environment, cwd=tmp_path, check=True)
    first, *rest = (tmp_path / "log").read_text().splitlines()
    assert first == f"a2gc <extract> <my photos> <--out> <part{task}.npz>"
    assert rest == ([] if task == 1 else [f"sbatch <--dependency=afterok:77> <--wrap> <{join}>"])


def test_a_part_that_fails_fails_its_task(tmp_path: Path) -> None:
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MAX": "3", "SLURM_ARRAY_JOB_ID": "77"}
    done = subprocess.run(["bash", str(SCRIPT), "false | cat", "true"], env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 1


def test_the_commands_that_the_script_shows_are_ours() -> None:
    shown = re.findall(r"'(a2gc [^']+)'", SCRIPT.read_text(encoding="utf-8"))
    assert len(shown) == 7
    for line in shown:
        verb = shlex.split(line)[1 : 3 if " map " in line else 2]
        known = CliRunner().invoke(app, [*verb, "--help"], env={"COLUMNS": "200"}).output
        for option in re.findall(r"--[a-z-]+", line):
            assert option in known, line


def test_the_job_counts_its_parts_as_the_command_does() -> None:
    job = yaml.safe_load((REPOSITORY / "docker/in_parts.job.yaml").read_text(encoding="utf-8"))
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
