"""A model of OpenVINO leaves the process as it found it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino")

LET_GO_ELSEWHERE = """
import gc, os, signal, threading
from a2gc_ros.extract.choose import open_extractor

held = [open_extractor("a2gc-efficientnet-lite0", backend="openvino")]

def let_go():
    held.clear()
    gc.collect()

thread = threading.Thread(target=let_go)
thread.start()
thread.join()
signal.signal(signal.SIGUSR1, lambda *_: print("answered"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_signals_are_answered_after_another_thread_has_let_the_model_go() -> None:
    result = subprocess.run(
        [sys.executable, "-c", LET_GO_ELSEWHERE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout) == (0, "answered\n"), result.stderr
