"""Engines of our files by the real builder, which needs no GPU. They are built, not run.

Opt-in, since the library is large: ``pip install -c constraints.txt tensorrt-rtx`` and run these tests again.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a2gc_ros.errors import BackendError
from a2gc_ros.extract import open_extractor
from a2gc_ros.extract.engines.key import EngineOptions
from a2gc_ros.extract.gpu import Gpu, has_gpu
from a2gc_ros.extract.onnx_files.metadata import describe, read_spec
from a2gc_ros.extract.pytorch.export import export_onnx
from a2gc_ros.extract.quantize import quantize
from a2gc_ros.models import build
from a2gc_ros.shipped import shipped_models

pytest.importorskip("tensorrt_rtx", reason="opt-in: needs `pip install -c constraints.txt tensorrt-rtx` (100 MB)")
pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")

from a2gc_ros.extract.engines.tensorrt_rtx import TensorRtRtx

(SHIPPED,) = shipped_models().values()


def obtain(file: Path, precision, folder: Path, load=len, **options):
    return TensorRtRtx(read_spec(file), precision, EngineOptions(folder, **options)).obtain(file, load)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_the_builder_takes_every_backbone_and_aggregator(sample, precision, tmp_path):
    done = obtain(sample.file, precision, tmp_path)
    assert done.built
    assert done.engine > 10_000


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_the_builder_takes_the_model_that_ships(precision, tmp_path):
    assert obtain(SHIPPED, precision, tmp_path).engine > 4_000_000


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "at_least"), [("vits14", 224, 44e6), ("vitb14", 322, 174e6)])
def test_the_builder_takes_whole_dinov2_models(name, size, at_least, tmp_path):
    file = tmp_path / "model.onnx"
    export_onnx(build(f"a2gc-dinov2-{name}", image_size=(size, size)).eval(), file, licence="CC0-1.0")
    # Weights in float16, so half of the file's size.
    assert at_least < obtain(file, "fp16", tmp_path).engine < 1.2 * at_least
    assert obtain(file, "fp32", tmp_path).engine > 1.9 * at_least


@pytest.mark.parametrize("key", ["dinov2", "mobilenetv2"])
def test_the_builder_takes_quantised_files(samples, key, tmp_path):
    sample = samples(key)
    images = [np.ascontiguousarray(image) for image in sample.batch(4)]
    file = quantize(sample.file, tmp_path / "int8.onnx", images, allow_drop=True).path
    assert obtain(file, "int8", tmp_path).built


def test_a_limit_on_the_workspace_is_part_of_what_an_engine_is(tmp_path, caplog):
    obtain(SHIPPED, "fp16", tmp_path)
    caplog.clear()
    assert obtain(SHIPPED, "fp16", tmp_path, workspace_mb=256).built
    assert "built with a workspace in MiB of 0 and not 256" in caplog.text


def test_a_workspace_that_is_too_small_is_named(tmp_path):
    with pytest.raises(BackendError, match=r"with 8 MiB of workspace \(.*\); raise that limit"):
        obtain(SHIPPED, "fp16", tmp_path, workspace_mb=8)


def test_a_graph_that_the_builder_does_not_take_is_refused_with_its_reason(small, tmp_path):
    import onnx

    model = onnx.load(small.file)
    del model.metadata_props[:]
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.op_type = "NoSuchOperator"
    file = tmp_path / "odd.onnx"
    file.write_bytes(describe(model.SerializeToString(), small.exported.spec))
    with pytest.raises(BackendError, match=r"tensorrt_rtx .* does not take backbone\.blocks\.0"):
        obtain(file, "fp32", tmp_path)
    assert list(tmp_path.glob("*.engine")) == []


def test_a_precision_that_only_a_cpu_has_is_refused():
    with pytest.raises(BackendError, match="tensorrt-rtx does not compute in int8-bf16; use fp32 or fp16"):
        TensorRtRtx(read_spec(SHIPPED), "int8-bf16", EngineOptions())


def test_dla_cores_are_refused():
    with pytest.raises(BackendError, match="knows no DLA cores"):
        TensorRtRtx(read_spec(SHIPPED), "fp16", EngineOptions(dla_core=0))


@pytest.mark.skipif(has_gpu(), reason="says what happens on a machine without an NVIDIA GPU")
def test_without_a_gpu_a_model_is_refused_before_anything_is_built(tmp_path):
    with pytest.raises(BackendError, match="No NVIDIA GPU can be used here"):
        open_extractor(SHIPPED, backend="tensorrt-rtx", engine=EngineOptions(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def start(*arguments) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "a2gc_ros.cli.main", "engine", "build", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_share_one_cache(tmp_path):
    both = [start(SHIPPED, "--backend", "tensorrt-rtx", "--precision", "fp16", "--cache", tmp_path) for _ in range(2)]
    told = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sorted("so it was built in" in output for output, _ in told) == [False, True]
    assert len(list(tmp_path.glob("*.engine"))) == 1


def test_ctrl_c_ends_a_build_and_leaves_nothing(samples, tmp_path):
    process = start(SHIPPED, "--backend", "tensorrt-rtx", "--precision", "fp32", "--cache", tmp_path)
    assert process.stderr is not None
    assert "building the engine" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert output == ""
    assert list(tmp_path.glob("*.engine")) == []


def test_the_key_names_the_library_and_what_it_runs_on():
    key = TensorRtRtx(read_spec(SHIPPED), "fp16", EngineOptions()).key
    assert (key.runtime, key.gpu, key.compute_capability) == ("tensorrt-rtx", "RTX", "8.0, 8.6, 8.9, and from 12.0 on")
    assert replace(key, version="1.0").difference(key) == f"it was built by version 1.0 and not {key.version}"


@pytest.mark.parametrize(
    ("compute_capability", "runs"),
    [("7.5", False), ("8.0", True), ("8.6", True), ("8.7", False), ("8.9", True), ("9.0", False), ("12.0", True)],
)
def test_a_gpu_that_engines_do_not_run_on_is_refused_before_one_is_built(compute_capability, runs):
    library = TensorRtRtx(read_spec(SHIPPED), "fp16", EngineOptions())
    gpu = Gpu("Some GPU", compute_capability)
    if runs:
        library.check(gpu)
    else:
        with pytest.raises(
            BackendError, match=rf"does not run on the Some GPU .*{compute_capability}.*use the backend"
        ):
            library.check(gpu)
