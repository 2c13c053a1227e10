"""Our reader of ONNX files against the onnx package, and against every kind of damage."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.errors import ModelError
from a2gc_ros.extract.onnx_files.metadata import WireError, describe, encode_metadata, parse, read_spec
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.images.preprocess import Preprocessing

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def spec(**changes):
    values = {
        "name": "tiny",
        "descriptor_dim": 4,
        "preprocessing": Preprocessing(2, 3),
        "fingerprint": "ab" * 32,
        "licence": "CC0-1.0",
    }
    return ModelSpec(**{**values, **changes})


def onnx_model(metadata=(), doc=""):
    weights = onnx.numpy_helper.from_array(np.arange(300, dtype=np.float32), "w")
    node = onnx.helper.make_node("Add", ["x", "w"], ["y"])
    value = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [300]) for n in ("x", "y")]
    graph = onnx.helper.make_graph([node], "g", value[:1], value[1:], [weights])
    model = onnx.helper.make_model(graph, doc_string=doc)
    onnx.helper.set_model_props(model, dict(metadata))
    return model


@settings(max_examples=60, deadline=None)
@given(metadata=st.dictionaries(text, text, max_size=5), doc=text)
def test_it_reads_what_the_onnx_package_writes(metadata, doc):
    model = onnx_model(metadata, doc)
    data = model.SerializeToString()
    found = parse(data)
    assert found.metadata == metadata
    assert data[found.graph] == model.graph.SerializeToString()


@settings(max_examples=60, deadline=None)
@given(metadata=st.dictionaries(text, text, max_size=5))
def test_the_onnx_package_reads_what_it_writes(metadata):
    data = onnx_model().SerializeToString() + encode_metadata(metadata)
    loaded = onnx.load_from_string(data)
    onnx.checker.check_model(loaded)
    assert {p.key: p.value for p in loaded.metadata_props} == metadata
    assert parse(data).metadata == metadata


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    try:
        parse(data)
    except (WireError, UnicodeDecodeError):
        return
    onnx.load_from_string(data)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_every_cut_is_noticed(tmp_path_factory, data):
    whole = describe(onnx_model().SerializeToString(), spec())
    file = tmp_path_factory.getbasetemp() / "cut.onnx"
    file.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ModelError):
        read_spec(file)


def test_a_file_gives_its_spec_back(tmp_path):
    file = tmp_path / "m.onnx"
    file.write_bytes(describe(onnx_model().SerializeToString(), spec(precision="fp16")))
    assert read_spec(file) == spec(precision="fp16")


@settings(max_examples=80, deadline=None)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_flipped_bit_in_the_graph_is_refused(tmp_path_factory, place, bit):
    data = bytearray(describe(onnx_model().SerializeToString(), spec()))
    graph = parse(bytes(data)).graph
    data[graph.start + place % (graph.stop - graph.start)] ^= 1 << bit
    file = tmp_path_factory.getbasetemp() / "flipped.onnx"
    file.write_bytes(data)
    with pytest.raises(ModelError, match="does not match its checksum"):
        read_spec(file)


def damaged(change):
    metadata = {**spec().to_metadata(), "a2gc.sha256": "0" * 64}
    metadata.update({k: v for k, v in change.items() if v is not None})
    for key in [k for k, v in change.items() if v is None]:
        del metadata[key]
    return onnx_model().SerializeToString() + encode_metadata(metadata)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no whole ONNX file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no whole ONNX file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "no whole ONNX file"),
        (onnx_model().SerializeToString()[:-200], "no whole ONNX file"),
        (onnx_model().SerializeToString() * 2, "two graphs"),
        (onnx_model().SerializeToString(), "a2gc export"),
        (onnx_model({"author": "somebody"}).SerializeToString(), "a2gc export"),
        (damaged({}), "checksum"),
        (damaged({"a2gc.sha256": None}), "checksum"),
        (describe(onnx_model().SerializeToString(), spec()).replace(b'"height": 2', b'"height": 3'), "checksum"),
        (describe(onnx_model().SerializeToString(), spec()).replace(b"abab", b"abac"), "checksum"),
        (damaged({"a2gc.format": "2"}), "'2'"),
        (damaged({"a2gc.name": None}), "name"),
        (damaged({"a2gc.licence": None}), "licence"),
        (damaged({"a2gc.descriptor_dim": "many"}), "damaged"),
        (damaged({"a2gc.descriptor_dim": "0"}), "length 0"),
        (damaged({"a2gc.fingerprint": "12"}), "sha256"),
        (damaged({"a2gc.precision": "fp4"}), "fp4"),
        (damaged({"a2gc.preprocessing": "{"}), "damaged"),
        (damaged({"a2gc.preprocessing": "[]"}), "damaged"),
        (damaged({"a2gc.preprocessing": '{"height": 2}'}), "damaged"),
    ],
)
def test_foreign_and_damaged_files_are_refused_with_a_sentence(tmp_path, content, words):
    file = tmp_path / "m.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=words) as refusal:
        read_spec(file)
    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_absent_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.onnx", tmp_path):
        with pytest.raises(ModelError, match="cannot be read"):
            read_spec(path)
