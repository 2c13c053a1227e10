"""Typed configuration from plain mappings: YAML in, dataclasses out, every surprise a sentence."""

from __future__ import annotations

import dataclasses
import difflib
import logging
import os
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from a2gc_ros.errors import ConfigError, DatasetError

T = TypeVar("T")

FORMER_KEYS = {"initialise": "initialize", "optimiser": "optimizer"}
"""Sections of a recipe by the names that they had, which go on working."""

_log = logging.getLogger(__name__)


def require(condition: bool, message: str) -> None:
    """Raises ConfigError unless a condition holds."""
    if not condition:
        raise ConfigError(message)


def require_each(section: object, least: float, otherwise: str, *names: str) -> None:
    """Raises ConfigError, which says ``otherwise`` of it, for the first entry below a number; None is not below."""
    for name in names:
        require(getattr(section, name) is None or getattr(section, name) >= least, f"{name} {otherwise}")


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML mapping of plain values; raises ConfigError where the file is missing or holds no such thing."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The recipe {path} cannot be read ({error.strerror}); check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"The recipe {path} is not valid YAML: {reason}; correct that line.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"The recipe {path} holds no mapping; begin it with `name: ...`.")
    for former, name in FORMER_KEYS.items():
        if former in values and name in values:
            raise ConfigError(f"The recipe {path} has both `{name}` and its former name `{former}`; leave one.")
    return {_present_key(key): value for key, value in values.items()}


def expanded(path: str) -> Path:
    """A path with ``~`` and environment variables filled in; raises DatasetError that names one that is not set."""
    text = os.path.expandvars(path)
    unset = re.search(r"\$\{?(\w+)", text)
    if unset:
        raise DatasetError(
            f"The recipe's path {path} needs the environment variable {unset[1]}, which is not set; export it, or "
            "replace the path with --set."
        )
    return Path(text).expanduser()


def override(values: Mapping[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Sets single entries of a nested mapping, in a copy of it.

    Args:
        values: The mapping.
        assignments: ``key=value`` each: the key dotted, a number where it steps into a list; the value is YAML.

    Raises:
        ConfigError: An assignment has no ``=``, is not YAML, or steps into something that has no entries.
    """
    result: dict[str, Any] = _copy(values)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"`--set {assignment}` sets nothing; write `--set key=value`.")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"The value in `--set {assignment}` is not valid YAML; quote it.") from error
        section, *inside = key.strip().split(".")
        _assign(result, [_present_key(section), *inside], value, assignment)
    return result


def _copy(value: Any) -> Any:
    """Copies mappings and lists; what an anchor of YAML shares is copied for each, so that one can be set alone."""
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    return value


def _present_key(key: Any) -> Any:
    name = FORMER_KEYS.get(key, key) if isinstance(key, str) else key
    if name != key:
        _log.warning("`%s` in a recipe is now `%s`; write that, for the former name will go.", key, name)
    return name


def _assign(node: Any, keys: list[str], value: Any, assignment: str) -> None:
    for depth, key in enumerate(keys):
        above = f"`--set {assignment}`: {'.'.join(keys[:depth])}"
        slot: Any = key
        if isinstance(node, list):
            if not key.isdigit() or int(key) >= len(node):
                raise ConfigError(f"{above} is a list of {len(node)}, so {key!r} must be a number below {len(node)}.")
            slot = int(key)
        elif not isinstance(node, dict):
            raise ConfigError(f"{above} is a single value and has no entry {key!r}.")
        if depth == len(keys) - 1:
            node[slot] = value
        elif isinstance(node, dict) and node.get(slot) is None:
            node[slot] = {}
        node = node[slot]


def from_mapping(cls: type[T], values: Any, where: str = "") -> T:
    """Builds a dataclass, and the dataclasses inside it, from plain values.

    A field typed as a union of dataclasses is told apart by the ``kind`` that each of them declares as a literal.
    Whole numbers are accepted where a float is wanted; nothing else is converted.

    Args:
        cls: A dataclass type.
        values: A mapping of its fields.
        where: The dotted place of ``values`` in the recipe, for messages.

    Raises:
        ConfigError: An entry is unknown, missing, or of the wrong type; the sentence names it and the nearest known.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{_name(where)} must be a mapping of entries, but is {_shown(values)}.")
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    for key in values:
        if key not in fields:
            raise ConfigError(f"{_name(_join(where, key))} is unknown; {_suggestion(str(key), fields)}")
    arguments = {key: _convert(hints[key], value, _join(where, key)) for key, value in values.items()}
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            raise ConfigError(f"{_name(_join(where, name))} is missing; add it to the recipe.")
    try:
        return cls(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{_name(where)}: {error}") if where else error from error


def to_mapping(value: Any) -> Any:
    """Turns a dataclass back into plain values that YAML and :func:`from_mapping` read."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_mapping(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_mapping(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_mapping(item) for item in value]
    return value


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """The dotted names of entries in which two plain nested values differ, sorted."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        absent = object()
        return [
            name
            for key in sorted(set(old) | set(new), key=str)
            for name in differences(old.get(key, absent), new.get(key, absent), _join(where, key))
        ]
    return [] if old == new else [where]


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _name(where: str) -> str:
    return f"The recipe entry `{where}`" if where else "The recipe"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _suggestion(key: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else f"choose from {', '.join(names)}."


def _refuse(wanted: str, value: Any, where: str) -> ConfigError:
    return ConfigError(f"{_name(where)} must be {wanted}, but is {_shown(value)}.")


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(get_args(hint), value, where)
    if origin is Literal:
        # YAML reads a bare `on` or `no` as a truth value; a literal compares by type as well.
        if any(value == choice and type(value) is type(choice) for choice in get_args(hint)):
            return value
        choices = [str(choice) for choice in get_args(hint)]
        near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.5)
        hint_text = f"; did you mean `{near[0]}`?" if near else "."
        raise ConfigError(f"{_name(where)} must be one of {', '.join(choices)}, but is {_shown(value)}{hint_text}")
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, where)  # type: ignore[arg-type]
    if origin is tuple:
        return _convert_tuple(get_args(hint), value, where)
    if origin is dict:
        key_type, item_type = get_args(hint)
        if not isinstance(value, Mapping):
            raise _refuse("a mapping", value, where)
        return {
            _convert(key_type, key, where): _convert(item_type, item, _join(where, key)) for key, item in value.items()
        }
    return _convert_plain(hint, value, where)


def _convert_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in options:
        return None
    options = tuple(option for option in options if option is not type(None))
    if len(options) == 1:
        return _convert(options[0], value, where)
    if all(dataclasses.is_dataclass(option) for option in options):
        kinds = {get_args(get_type_hints(option)["kind"])[0]: option for option in options}
        if not isinstance(value, Mapping) or "kind" not in value:
            raise ConfigError(f"{_name(where)} must be a mapping with a `kind`: {', '.join(sorted(kinds))}.")
        chosen = kinds.get(str(value["kind"]))
        if chosen is None:
            raise ConfigError(
                f"{_name(_join(where, 'kind'))} is {value['kind']!r}; {_suggestion(str(value['kind']), kinds)}"
            )
        return from_mapping(chosen, value, where)
    for option in options:
        try:
            return _convert(option, value, where)
        except ConfigError:
            continue
    raise _refuse(", or ".join(_wanted(option) for option in options), value, where)


def _convert_tuple(items: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _refuse("a list", value, where)
    if len(items) == 2 and items[1] is Ellipsis:
        items = (items[0],) * len(value)
    if len(value) != len(items):
        raise _refuse(f"a list of {len(items)}", value, where)
    return tuple(_convert(kind, item, _join(where, i)) for i, (kind, item) in enumerate(zip(items, value, strict=True)))


def _wanted(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return names.get(hint, str(hint))


def _convert_plain(hint: type, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, str):
        # YAML 1.1 reads 6e-5, without a point, as a text.
        try:
            value = float(value)
        except ValueError as error:
            raise _refuse("a number", value, where) from error
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint:
        raise _refuse(_wanted(hint), value, where)
    return value
