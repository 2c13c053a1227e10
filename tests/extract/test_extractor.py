"""Every backend and precision against PyTorch, and everything an extractor refuses."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import A2gcError, BackendError, ConfigError, ImageError, ModelError
from a2gc_ros.extract import Extractor, ModelSpec, open_extractor
from a2gc_ros.extract.onnx_files.metadata import describe, read_spec
from a2gc_ros.images.decode import decode_compressed, read_image
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models import checkpoints
from a2gc_ros.models.fingerprint import fingerprint

# Backend, precision, least cosine to PyTorch in float32.
WAYS = [("onnxruntime", "fp32", 0.99999), ("openvino", "fp32", 0.99999), ("openvino", "bf16", 0.999)]


def opened(sample, backend, precision="auto", **options):
    try:
        return open_extractor(sample.file, backend=backend, precision=precision, **options)
    except BackendError as error:
        if precision == "bf16" and "does not compute" in str(error):
            pytest.skip(str(error))
        raise


def cosines(a, b):
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("backend", "precision", "least"), WAYS)
def test_descriptors_agree_with_pytorch(sample, backend, precision, least, count):
    extractor = opened(sample, backend, precision)
    batch = sample.batch(count)
    descriptors = extractor.run(batch)
    assert descriptors.shape == (count, sample.model.descriptor_dim)
    assert descriptors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(descriptors, axis=1), 1.0, atol=1e-6)
    assert cosines(descriptors, sample.expected(batch)).min() >= least
    assert (extractor.backend, extractor.precision) == (backend, precision)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_image_has_the_same_descriptor_alone_and_in_a_batch(small, backend):
    extractor = opened(small, backend)
    batch = small.batch(5)
    together = extractor.run(batch)
    alone = np.concatenate([extractor.run(batch[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, atol=2e-6)


def test_every_backend_carries_the_fingerprint_of_the_model(sample):
    expected = fingerprint(sample.model)
    assert {opened(sample, backend).spec.fingerprint for backend in ("onnxruntime", "openvino")} == {expected}


def test_torch_runs_a_checkpoint_and_agrees_with_its_export(small, tmp_path):
    file = tmp_path / "model.safetensors"
    checkpoints.save(small.model, file, licence="CC0-1.0")
    extractor = open_extractor(file, threads=1)
    assert extractor.backend == "torch"
    assert extractor.spec == small.exported.spec
    np.testing.assert_allclose(extractor.run(small.batch(2)), small.expected(small.batch(2)), atol=1e-6)
    reduced = open_extractor(file, precision="bf16").run(small.batch(2))
    assert cosines(reduced, small.expected(small.batch(2))).min() >= 0.999


def test_auto_says_what_it_chose_and_why(small, caplog):
    with caplog.at_level("INFO", logger="a2gc_ros.extract"):
        extractor = open_extractor(small.file)
    (record,) = caplog.records
    assert extractor.backend == "openvino"
    assert extractor.precision == "fp32"
    assert "openvino" in record.message
    assert extractor.reason in record.message


def test_images_of_any_size_become_descriptors(small):
    extractor = opened(small, "onnxruntime")
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (h, w, 3), np.uint8) for h, w in [(48, 64), (100, 30), (56, 70)] * 7]
    descriptors = extractor.extract(images)
    assert descriptors.shape == (21, small.model.descriptor_dim)
    prepared = np.stack([extractor.prepare(image) for image in images])
    np.testing.assert_allclose(descriptors, extractor.run(prepared), atol=2e-6)
    np.testing.assert_allclose(extractor.extract_one(images[1]), descriptors[1], atol=2e-6)
    np.testing.assert_allclose(np.stack(list(extractor.stream(iter(images)))), descriptors, atol=2e-6)
    assert extractor.extract([]).shape == (0, small.model.descriptor_dim)
    assert list(extractor.stream([])) == []
    assert extractor.run(small.batch(0)).shape == (0, small.model.descriptor_dim)


def test_a_resized_camera_image_has_the_descriptor_of_pillows_resize(sample):
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 256, (27, 48, 3), np.uint8)
    image = np.asarray(cv2.resize(coarse, (1920, 1080), interpolation=cv2.INTER_LINEAR), np.uint8)
    extractor = opened(sample, "onnxruntime")
    size = extractor.spec.preprocessing.width, extractor.spec.preprocessing.height
    theirs = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
    ours = extractor.extract_one(image)
    assert cosines(ours[None], sample.expected(theirs[None].copy())).min() >= 0.999


def photographs(shared_data, size):
    """Photographs as a camera of a size (width, height) would give them: enlarged, with a sensor's noise."""
    for path in sorted((shared_data / "ie_tower").rglob("*.jpg"))[::160]:
        large = cv2.resize(read_image(path), size, interpolation=cv2.INTER_CUBIC)
        noise = np.asarray(cv2.randn(np.empty(large.shape, np.int16), 0, 4))
        yield np.clip(large + noise, 0, 255).astype(np.uint8)


def test_large_photographs_have_the_descriptors_of_pillows_resize(shared_data):
    """On the model that ships, which small changes move further than random weights."""
    cv2.setRNGSeed(0)
    extractor = open_extractor("a2gc-efficientnet-lite0", threads=1)
    for photograph in photographs(shared_data, (1920, 1080)):
        theirs = np.asarray(Image.fromarray(photograph).resize((320, 240), Image.Resampling.BILINEAR))
        descriptor, expected = extractor.extract([photograph, theirs])
        assert descriptor @ expected >= 0.999


@pytest.mark.slow
def test_a_jpeg_of_twenty_megapixels_has_the_descriptor_of_pillows_resize(shared_data, tmp_path):
    """Statistics may be of pixels decoded at half the size; a descriptor that is given out is of all of them."""
    cv2.setRNGSeed(0)
    extractor = open_extractor("a2gc-efficientnet-lite0", threads=1)
    for number, photograph in enumerate(photographs(shared_data, (5120, 3840))):
        jpeg = tmp_path / f"{number}.jpg"
        cv2.imwrite(str(jpeg), photograph[..., ::-1])
    out = tmp_path / "descriptors.npz"
    given = ["extract", str(tmp_path), "--model", "a2gc-efficientnet-lite0", "--threads", "1", "--out", str(out)]
    assert CliRunner().invoke(app, given).exit_code == 0
    found = np.load(out)
    for path, descriptor in zip(found["paths"], found["descriptors"], strict=True):
        whole = decode_compressed(Path(path).read_bytes())
        theirs = Image.fromarray(whole).resize((320, 240), Image.Resampling.BILINEAR)
        assert descriptor @ extractor.extract_one(np.asarray(theirs)) >= 0.999
        reduced = decode_compressed(Path(path).read_bytes(), max_size=extractor.spec.preprocessing.useful_size)
        assert reduced.shape == (1920, 2560, 3)
        assert descriptor @ extractor.extract_one(reduced) >= 0.995


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda b: b.astype(np.float32), "float32"),
        (lambda b: b[:, :-1], r"55, 70"),
        (lambda b: b.transpose(0, 3, 1, 2), r"3, 56, 70"),
        (lambda b: b[0], r"\(56, 70, 3\)"),
        (lambda b: b[..., :1], r"56, 70, 1"),
    ],
)
def test_batches_of_another_type_size_or_layout_are_refused(small, backend, make, words):
    with pytest.raises(ImageError, match=words):
        opened(small, backend).run(make(small.batch(2)))


def test_a_bad_image_is_named_by_its_place(small):
    images = [small.batch(1)[0]] * 18 + [np.zeros((4, 4), np.uint8)]
    with pytest.raises(ImageError, match="Image 18"):
        opened(small, "onnxruntime").extract(images)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"backend": "tensorflow"}, ConfigError, "tensorflow"),
        ({"precision": "fp8"}, ConfigError, "fp8"),
        ({"threads": -1}, ConfigError, "-1"),
        ({"backend": "torch"}, BackendError, "ONNX file"),
        ({"precision": "int8"}, BackendError, "not quantized"),
        ({"backend": "onnxruntime", "precision": "bf16"}, BackendError, "bf16"),
    ],
)
def test_what_cannot_be_done_is_refused(small, options, error, words):
    with pytest.raises(error, match=words):
        open_extractor(small.file, **options)


def test_names_and_files_that_do_not_exist_are_refused(tmp_path):
    with pytest.raises(ModelError, match="a2gc-dinov2-vits14"):
        open_extractor("no-such-model")
    with pytest.raises(ModelError, match="cannot be read"):
        open_extractor(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="export it first"):
        open_extractor("salad-dinov2-vitb14", backend="openvino")
    with pytest.raises(A2gcError, match="There is no weights file"):
        open_extractor(str(tmp_path / "none.safetensors"))


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_described_file_whose_graph_makes_no_sense_is_refused(small, tmp_path, backend):
    # The smallest message with an IR version and a graph, which holds one unknown byte string.
    file = tmp_path / "empty.onnx"
    file.write_bytes(describe(b"\x08\x0a\x3a\x04\x0a\x02\x08\x01", small.exported.spec))
    with pytest.raises(BackendError, match="cannot load"):
        open_extractor(file, backend=backend)


class Broken:
    name, precision = "broken", "fp16"

    def __init__(self, value):
        self.value = value

    def __call__(self, batch):
        return self.value


@pytest.mark.parametrize(
    "value", [np.full((1, 4), np.nan), np.full((1, 4), np.inf), np.zeros((1, 4)), np.ones((1, 5)), np.ones((2, 4))]
)
def test_a_descriptor_that_is_none_never_leaves(value):
    spec = ModelSpec("m", 4, Preprocessing(2, 2), "0" * 64, "CC0-1.0")
    with pytest.raises(BackendError):
        Extractor(spec, Broken(value.astype(np.float32))).run(np.zeros((1, 2, 2, 3), np.uint8))


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_threads_share_an_extractor(small, backend):
    extractor = opened(small, backend, threads=1)
    batch = small.batch(8)
    expected = extractor.run(batch)
    results = [None] * 8

    def work(i):
        for _ in range(5):
            results[i] = extractor.run(batch[i : i + 1])[0]

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    np.testing.assert_allclose(np.stack(results), expected, atol=2e-6)


def test_processes_share_a_file_and_need_no_torch(small):
    code = (
        "import sys, numpy as np\n"
        "sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "from a2gc_ros.extract import open_extractor\n"
        f"e = open_extractor({str(small.file)!r}, backend=sys.argv[1], threads=1)\n"
        "image = np.arange(56 * 70 * 3).reshape(56, 70, 3).astype(np.uint8)\n"
        "print(' '.join(f'{v:.5f}' for v in e.extract_one(image)))\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, backend], stdout=subprocess.PIPE, text=True)
        for backend in ("onnxruntime", "openvino", "openvino")
    ]
    outputs = [np.array(process.communicate(timeout=120)[0].split(), float) for process in started]
    image = np.arange(56 * 70 * 3).reshape(1, 56, 70, 3).astype(np.uint8)
    for output, process in zip(outputs, started, strict=True):
        assert process.returncode == 0
        np.testing.assert_allclose(output, small.expected(image)[0], atol=2e-5)


def test_without_a_runtime_the_refusal_says_what_to_install(small):
    code = (
        "import sys\n"
        "sys.modules['openvino'] = sys.modules['onnxruntime'] = None\n"
        "from a2gc_ros.extract import open_extractor\n"
        f"open_extractor({str(small.file)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "BackendError" in done.stderr
    assert "pip install 'openvino>=" in done.stderr
    assert "pip install 'onnxruntime>=" in done.stderr


def test_with_one_runtime_auto_takes_it_and_says_why(small):
    code = (
        "import sys\n"
        "sys.modules['openvino'] = None\n"
        "from a2gc_ros.extract import open_extractor\n"
        f"e = open_extractor({str(small.file)!r})\n"
        "print(e.backend, '|', e.reason)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    backend, reason = done.stdout.split("|")
    assert backend.strip() == "onnxruntime"
    assert "openvino is not usable" in reason


def test_the_description_in_the_file_is_the_models(sample):
    spec = read_spec(sample.file)
    assert spec.preprocessing == sample.model.preprocessing
    assert spec.descriptor_dim == sample.model.descriptor_dim
    assert spec.licence == "CC0-1.0"


class OnAGpu:
    name, precision = "tensorrt", "fp16"

    def __call__(self, batch):
        return np.ones((len(batch), 4), np.float32)

    def gpu_memory_mb(self):
        return 2000.0, 8000.0


class OnACpu:
    name, precision = "openvino", "fp32"
    __call__ = OnAGpu.__call__


@pytest.mark.parametrize(("runtime", "told"), [(OnAGpu(), (2000.0, 8000.0)), (OnACpu(), None)])
def test_a_gpus_memory_is_told_where_one_is_used(runtime, told):
    extractor = Extractor(ModelSpec("m", 4, Preprocessing(2, 2), "0" * 64, "CC0-1.0"), runtime)
    assert extractor.gpu_memory_mb() == told
