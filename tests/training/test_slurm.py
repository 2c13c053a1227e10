"""A SLURM job that is preempted goes on by itself when it is started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from a2gc_training.recipe import load_recipe
from a2gc_training.run import train
from a2gc_training.run_folder import RECIPE_FILE, was_requeued

JOB = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NODELIST": "localhost",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


EPOCHS = 6


@pytest.fixture
def job(tiny_recipe: dict[str, Any], tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """Command and environment of a job; `scontrol` writes down what it was asked."""
    tiny_recipe["trainer"]["epochs"] = EPOCHS
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny_recipe))
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    environment = {**os.environ, **JOB, "PATH": f"{scontrol.parent}{os.pathsep}{os.environ['PATH']}"}
    program = str(Path(sys.executable).with_name("a2gc"))
    return [program, "train", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "run")], environment


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if path.exists() or process.poll() is not None:
            return
        time.sleep(0.05)


@pytest.mark.slow
def test_a_preempted_job_is_requeued_and_goes_on(
    job: tuple[list[str], dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, environment = job
    out = tmp_path / "run"
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(out / "checkpoints" / "last.ckpt", process)
            process.send_signal(signal.SIGUSR1)
            wait_for(tmp_path / "asked", process)
        finally:
            process.kill()
        errors = process.communicate()[1]
    assert (tmp_path / "asked").is_file(), errors
    assert (tmp_path / "asked").read_text() == "requeue 4711\n"
    saved = torch.load(out / "hpc_ckpt_1.ckpt", weights_only=True)
    assert 0 < saved["global_step"] < 2 * EPOCHS
    for name, value in {**JOB, "SLURM_RESTART_COUNT": "1"}.items():
        monkeypatch.setenv(name, value)
    train(load_recipe(tmp_path / "tiny.yaml"), out)
    last = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)
    assert (last["epoch"], last["global_step"]) == (EPOCHS - 1, 2 * EPOCHS)
    assert not list(out.glob("hpc_ckpt*"))


def test_only_a_job_that_ran_before_takes_the_folder_for_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / RECIPE_FILE).write_text("{}")
    for count, requeued in ((None, False), ("0", False), ("2", True)):
        monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
        if count is not None:
            monkeypatch.setenv("SLURM_RESTART_COUNT", count)
        assert was_requeued(tmp_path) == requeued
    assert not was_requeued(tmp_path / "elsewhere")
