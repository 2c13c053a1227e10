"""What is said where something is not installed, and that the commands it names exist."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from a2gc_ros.system.installation import pip_install, what_is_missing


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("cv2", "OpenCV (the Python module cv2) is not installed: apt install python3-opencv, or pip install opencv-"),
        ("faiss", "FAISS (the Python module faiss) is not installed: pip install faiss-cpu"),
        ("rclpy.node", "the ROS package rclpy is not installed or not sourced: source /opt/ros/<distribution>/"),
        (
            "a2gc_simulation.drive",
            "the Python package a2gc_simulation, which a robot's installation leaves out, is not",
        ),
        ("a2gc_training.recipe", "the Python package a2gc_training, which a robot's installation leaves out, is not"),
        ("a2gc_msgs.msg", "the messages a2gc_msgs are not installed: build them (colcon build in the workspace"),
    ],
)
def test_what_is_not_installed_is_named_with_what_installs_it(module, said):
    assert what_is_missing(ModuleNotFoundError(f"No module named {module!r}", name=module)).startswith(said)


def test_a_library_of_the_system_and_another_numpy_are_named():
    error = ImportError("libGL.so.1: cannot open shared object file: No such file or directory")
    assert "apt install libgl1, or take opencv-python-headless" in what_is_missing(error)
    error = ImportError("numpy.core.multiarray failed to import")
    assert what_is_missing(error).endswith("pip install 'numpy<2'")


def test_what_nobody_foresaw_keeps_its_traceback():
    assert what_is_missing(ModuleNotFoundError("No module named 'antigravity'", name="antigravity")) is None
    assert what_is_missing(ImportError("cannot import name 'x' from 'y'")) is None


def test_an_extra_is_installed_by_its_packages():
    assert re.fullmatch(r"pip install 'gtsam>=[\w.]+'", pip_install("slam"))
    assert re.fullmatch(r"pip install 'openvino>=[\w.]+'", pip_install("openvino"))
    assert pip_install("not_yet") == "pip install '.[not_yet]' in a clone of a2gc_ros"


def test_texts_name_packages_that_setup_py_names_too(repository):
    setup = (repository / "setup.py").read_text(encoding="utf-8")
    known = {name.lower() for name in re.findall(r'"([A-Za-z][\w-]+)(?:\[\w+\])?(?:[><=~]=?[\w.]+)*"', setup)}
    named = set()
    for path in (repository / "a2gc_ros").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "a2gc_ros[" not in text, f"{path.name}: a2gc_ros is on no index"
        named |= {name.lower() for name in re.findall(r"pip install '?([A-Za-z][\w-]+)", text)}
    # NVIDIA's own, which JetPack brings.
    assert named - known - {"tensorrt"} == set()


HIDDEN = """
import importlib.abc, sys
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {module!r}:
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Hide())
sys.argv[1:] = {arguments!r}
from a2gc_ros.executables import {name}
{name}()
"""


def run_without(module, name, *arguments):
    code = HIDDEN.format(name=name, module=module, arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("name", "module", "word"),
    [
        ("a2gc", "typer", "Typer"),
        ("a2gc", "numpy", "NumPy"),
        ("place_recognition", "rclpy", "the ROS package rclpy"),
        ("bag_player", "rosbags", "rosbags"),
        ("pose_graph", "a2gc_msgs", "the messages a2gc_msgs"),
    ],
)
def test_an_executable_says_in_one_sentence_what_is_missing(name, module, word):
    done = run_without(module, name, "map", "info", "x.a2gc")
    if module != "rclpy" and "the ROS package rclpy" in done.stderr:
        pytest.skip("needs ROS 2, from a distribution or from the wheels")
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name}: {word}")


@pytest.mark.parametrize(
    ("module", "command", "said"),
    [
        ("onnx", "export MODEL --out OUT", "`a2gc export` needs the Python package onnx, .*'torch>=.*'onnx>="),
        ("onnx", "quantize MODEL --images . --out OUT", "`a2gc quantize` needs the Python .*'onnx>=.*'onnxruntime>="),
        ("a2gc_simulation", "simulate --out OUT", r"run pip install \./simulation in a clone"),
        ("a2gc_training", "train RECIPE", r"run pip install \./training in a clone"),
        ("a2gc_training", "eval --datasets tasks.yaml", r"run pip install \./training in a clone"),
        pytest.param(
            "pytorch_lightning",
            "train RECIPE",
            "Training needs the Python package pytorch_lightning, .*'torch>=",
            marks=pytest.mark.slow,
        ),
        ("gtsam", "slam town.mcap", "the pose graph needs GTSAM, .* pip install 'gtsam>="),
    ],
)
def test_a_verb_says_in_one_sentence_how_to_get_what_it_misses(module, command, said):
    done = run_without(module, "a2gc", *command.split())
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert re.search(said, line), line
