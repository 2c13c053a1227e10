"""Ground truth from ``.npy`` files, without ever unpickling.

The published ground truth of the GSV-Cities line (Pittsburgh, MSLS, Nordland) is a NumPy array of objects, each an
array of row numbers, and NumPy stores objects as a pickle, which can run any code when it is loaded. This reader never
loads one: it walks the opcodes, knows those that make up nested lists and integer arrays, and refuses all others.
Names of classes in the file are compared with three that NumPy writes; nothing is ever looked up, imported or called.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError

_RECONSTRUCT = {"numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct"}
_SCALAR = {"numpy.core.multiarray scalar", "numpy._core.multiarray scalar"}
_ARRAY, _DTYPE = "numpy ndarray", "numpy dtype"
_NAMES = {*_RECONSTRUCT, *_SCALAR, _ARRAY, _DTYPE}
_INTEGERS = {"i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"}
_MARK = object()

_LITERALS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _RefusedError(Exception):
    """The file holds something else than lists of integers."""


@dataclass(frozen=True)
class _Name:
    """The name of a class or function, as text."""

    text: str


@dataclass
class _Dtype:
    """A data type that the file describes."""

    code: str
    order: str = "<"


@dataclass
class _Array:
    """An array that the file describes."""

    value: Any = None


def read_row_lists(path: Path) -> list[NDArray[np.int64]]:
    """Reads for each query the rows that are right.

    Args:
        path: An ``.npy`` of integers, (Q,) or (Q, k), or of Q lists or arrays of integers.

    Raises:
        DatasetError: The file cannot be read, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(file)
            rest = file.read() if dtype.hasobject else b""
        if dtype.hasobject:
            return [_integers(entry) for entry in _entries(rest, shape)]
        return [_integers(row) for row in np.load(path, allow_pickle=False).reshape(shape[0], -1)]
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error.strerror}); fetch that file again.") from None
    except (_RefusedError, ValueError, IndexError, TypeError, AttributeError, EOFError) as error:
        raise DatasetError(
            f"{path} is not a list of row numbers for each query ({error}); fetch it again from its publisher, or "
            "write the ground truth as CSV."
        ) from None


def _integers(entry: Any) -> NDArray[np.int64]:
    # Lists inside lists could refer to each other and expand without end.
    if isinstance(entry, list) and not all(isinstance(item, (int, np.integer)) for item in entry):
        raise _RefusedError("it holds something else than row numbers")
    values = np.asarray(entry)
    if values.size == 0:
        return np.empty(0, np.int64)
    if values.dtype.kind not in "iu":
        raise _RefusedError(f"it holds {values.dtype} where row numbers should be")
    return values.reshape(-1).astype(np.int64)


def _entries(data: bytes, shape: tuple[int, ...]) -> list[Any]:
    result = _walk(data)
    entries = result.value if isinstance(result, _Array) else result
    if isinstance(entries, np.ndarray) or not isinstance(entries, list) or shape != (len(entries),):
        raise _RefusedError("its objects do not form one list")
    return [entry.value if isinstance(entry, _Array) else entry for entry in entries]


def _walk(data: bytes) -> Any:
    """Rebuilds nested lists and arrays from opcodes, on a stack as the format prescribes."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(io.BytesIO(data)):
        name = opcode.name
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            count = _TUPLES[name]
            items = tuple(stack[len(stack) - count :])
            del stack[len(stack) - count :]
            stack.append(items)
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[cast(int, argument)] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[cast(int, argument)])
        elif name in _STEPS:
            _STEPS[name](stack, argument)
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise _RefusedError(f"it uses {name}, which plain lists do not need")
    raise _RefusedError("it ends early")


def _since_mark(stack: list[Any]) -> list[Any]:
    at = len(stack) - 1 - stack[::-1].index(_MARK)
    items = stack[at + 1 :]
    del stack[at:]
    return items


def _tuple(stack: list[Any], _: Any) -> None:
    stack.append(tuple(_since_mark(stack)))


def _append(stack: list[Any], _: Any) -> None:
    item = stack.pop()
    stack[-1].append(item)


def _appends(stack: list[Any], _: Any) -> None:
    items = _since_mark(stack)
    stack[-1].extend(items)


def _global(stack: list[Any], text: Any) -> None:
    if text not in _NAMES:
        raise _RefusedError(f"it names {text}, which row numbers do not need")
    stack.append(_Name(text))


def _stack_global(stack: list[Any], _: Any) -> None:
    attribute, module = stack.pop(), stack.pop()
    _global(stack, f"{module} {attribute}")


def _reduce(stack: list[Any], _: Any) -> None:
    arguments, function = stack.pop(), stack.pop()
    if isinstance(function, _Name) and function.text == _DTYPE:
        stack.append(_Dtype(str(arguments[0])))
    elif isinstance(function, _Name) and function.text in _RECONSTRUCT:
        stack.append(_Array())
    elif isinstance(function, _Name) and function.text in _SCALAR:
        stack.append(_decode(arguments[0], arguments[1], ())[()])
    else:
        raise _RefusedError("it calls something else than NumPy's constructors")


def _build(stack: list[Any], _: Any) -> None:
    state, target = stack.pop(), stack[-1]
    if isinstance(target, _Dtype):
        target.order = str(state[1])
    elif isinstance(target, _Array):
        _, shape, dtype, _, content = state
        target.value = content if isinstance(content, list) else _decode(dtype, content, shape)
    else:
        raise _RefusedError("it changes something else than an array")


def _decode(dtype: Any, content: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype) or dtype.code not in _INTEGERS:
        raise _RefusedError("it holds something else than integers")
    data = content.encode("latin-1") if isinstance(content, str) else content
    order = dtype.order if dtype.order in "<>" else "="
    return np.frombuffer(data, np.dtype(order + dtype.code)).reshape(shape)


_STEPS: dict[str, Callable[[list[Any], Any], None]] = {
    "TUPLE": _tuple,
    "APPEND": _append,
    "APPENDS": _appends,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
}
