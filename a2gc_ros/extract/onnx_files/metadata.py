"""Metadata of an ONNX file, read and written without the onnx package.

An ONNX file is one protobuf message, ``ModelProto``: field 1 is the IR version, 7 the graph, 14 a pair (1: key,
2: value) of metadata, repeated. Only these are looked at; the graph is skipped over, or hashed as the bytes it is.
Protobuf joins messages by concatenation, so metadata is added by appending to the file.
Weights of more than 2 GiB, which one message cannot hold, lie in a second file beside it; its name and checksum are
then part of the description.
Sources: onnx.proto of ONNX, and protobuf's description of its wire format.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from a2gc_ros.errors import ModelError
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.system.files import sha256_of

_IR_VERSION, _GRAPH, _METADATA = 1, 7, 14
_KEY, _VALUE = 1, 2
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_DIGEST = "a2gc.sha256"
_DATA_NAME, _DATA_DIGEST = "a2gc.data", "a2gc.data_sha256"

ADAPTED = "a2gc.adapted"
"""Key of what a file says about the model that it was adapted from, and about the site; JSON."""

Buffer = bytes | mmap.mmap


class WireError(ValueError):
    """Bytes that are no protobuf message."""


@dataclass(frozen=True)
class OnnxFile:
    """What is read of an ONNX file: its metadata and the span of bytes that is its graph."""

    metadata: dict[str, str]
    graph: slice


def _varint(data: Buffer, at: int, end: int) -> tuple[int, int]:
    """The number at a place, least significant seven bits first, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise WireError("a number is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise WireError("a number has more than ten bytes")


def _fields(data: Buffer, start: int, end: int) -> Iterator[tuple[int, int, slice]]:
    """Number, wire type and span of each field of the message in data[start:end]."""
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise WireError("a field has the number zero")
        first = at
        if wire == _VARINT:
            _, at = _varint(data, at, end)
        elif wire == _EIGHT_BYTES:
            at += 8
        elif wire == _FOUR_BYTES:
            at += 4
        elif wire == _BYTES:
            length, first = _varint(data, at, end)
            at = first + length
        else:
            raise WireError(f"a field has the unknown wire type {wire}")
        if at > end:
            raise WireError("a field is cut off")
        yield number, wire, slice(first, at)


def parse(data: Buffer) -> OnnxFile:
    """Finds the metadata and the graph of a serialized ONNX model.

    Raises:
        WireError: The bytes are no ONNX model, or end too early.
    """
    metadata: dict[str, str] = {}
    graph: slice | None = None
    versioned = False
    for number, wire, span in _fields(data, 0, len(data)):
        if number == _IR_VERSION and wire == _VARINT:
            versioned = True
        elif number == _GRAPH and wire == _BYTES:
            if graph is not None:
                raise WireError("it has two graphs")
            graph = span
        elif number == _METADATA and wire == _BYTES:
            pair = {_KEY: "", _VALUE: ""}
            for part, part_wire, text in _fields(data, span.start, span.stop):
                if part in pair and part_wire == _BYTES:
                    pair[part] = data[text].decode("utf-8")
            metadata[pair[_KEY]] = pair[_VALUE]
    if graph is None or not versioned:
        raise WireError("it has no graph")
    return OnnxFile(metadata, graph)


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _encode_bytes(number: int, content: bytes) -> bytes:
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(content)) + content


def encode_metadata(metadata: Mapping[str, str]) -> bytes:
    """Bytes that, appended to a serialized ONNX model, add these entries to its metadata."""
    return b"".join(
        _encode_bytes(_METADATA, _encode_bytes(_KEY, key.encode()) + _encode_bytes(_VALUE, value.encode()))
        for key, value in metadata.items()
    )


def describe(model: bytes, spec: ModelSpec, data: Path | None = None) -> bytes:
    """A serialized ONNX model together with its description and a checksum over graph and description.

    Args:
        model: The serialized model.
        spec: Its description.
        data: The file with its weights, where they are not in the model; it has to stay beside it, under this name.
    """
    beside = {} if data is None else {_DATA_NAME: data.name, _DATA_DIGEST: sha256_of(data)}
    digest = _digest(memoryview(model)[parse(model).graph], spec, beside)
    return model + encode_metadata({**spec.to_metadata(), **beside, _DIGEST: digest})


def data_file(path: Path) -> Path | None:
    """The file that holds the weights of a model file, or None where they are inside.

    Raises:
        WireError: The file is no ONNX model.
        OSError: It cannot be read.
    """
    name = read_entry(path, _DATA_NAME)
    return None if name is None else path.parent / name


def read_entry(path: Path, key: str) -> str | None:
    """An entry of a model file's metadata, or None where it has none.

    Raises:
        WireError: The file is no ONNX model.
        OSError: It cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return parse(data).metadata.get(key)


def _digest(graph: memoryview, spec: ModelSpec, beside: Mapping[str, str]) -> str:
    digest = hashlib.sha256(graph)
    digest.update(encode_metadata({**spec.to_metadata(), **beside}))
    return digest.hexdigest()


def read_spec(path: Path) -> ModelSpec:
    """The description of a model file, after its checksum was verified.

    Raises:
        ModelError: The file is absent, damaged, cut off, no ONNX model, or without our description.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = parse(data)
            spec = ModelSpec.from_metadata(found.metadata)
            beside = {key: found.metadata[key] for key in (_DATA_NAME, _DATA_DIGEST) if key in found.metadata}
            with memoryview(data) as view, view[found.graph] as graph:
                digest = _digest(graph, spec, beside)
            if digest != found.metadata.get(_DIGEST):
                raise ModelError("it does not match its checksum, so it is damaged; copy or export it again.")
        if _DATA_NAME in beside:
            _check_data(path.parent / beside[_DATA_NAME], beside.get(_DATA_DIGEST, ""))
        return spec
    except OSError as error:
        raise ModelError(f"The model {path} cannot be read ({error.strerror}); check the path.") from None
    except ModelError as error:
        raise ModelError(f"The model {path} cannot be used: {error}") from None
    except ValueError as error:
        # A WireError, undecodable text, or an empty file, which mmap refuses.
        raise ModelError(f"The model {path} is no whole ONNX file ({error}); copy or export it again.") from None


def _check_data(data: Path, expected: str) -> None:
    if not data.is_file() or not data.stat().st_size:
        raise ModelError(f"its weights, the file {data.name}, are not beside it; copy both files.")
    found = sha256_of(data)
    if found != expected:
        raise ModelError(f"its weights, the file {data.name}, do not match their checksum; copy or export both again.")
