"""Typer, in every version that a ROS distribution brings: 0.4 (Humble), 0.9 (Jazzy, Kilted) and newer.

To be imported in its place. Commands are written in today's style, ``Annotated`` types and ``X | None``. Typer reads
``Annotated`` from 0.9 on and unions with a bar from 0.12.4 on, so what it is handed is translated: options as default
values, ``Optional[X]``. A parameter whose type is a dataclass stands for an option for each of its fields.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_args, get_origin

import typer
from typer import Exit, echo
from typer.core import TyperCommand
from typer.models import ArgumentInfo, OptionInfo

__all__ = ["Argument", "Exit", "Option", "Typer", "TyperCommand", "echo"]

Command = TypeVar("Command", bound=Callable[..., Any])


class Typer(typer.Typer):
    """An application; settings that this version does not know, which are all about looks, are left out.

    Without arguments it shows its help, in which Markdown is read.

    Args:
        settings: Of :class:`typer.Typer`.
    """

    def __init__(self, **settings: Any) -> None:
        settings = {"no_args_is_help": True, "rich_markup_mode": "markdown", **settings}
        known = inspect.signature(typer.Typer.__init__).parameters
        super().__init__(**{name: value for name, value in settings.items() if name in known})

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Command], Command]:
        """Registers a command, see :meth:`typer.Typer.command`."""
        return _translating(super().command(name, **settings))

    def callback(self, **settings: Any) -> Callable[[Command], Command]:
        """Registers what runs before any command, see :meth:`typer.Typer.callback`."""
        return _translating(super().callback(**settings))


def Option(default: Any = ..., *names: str, **settings: Any) -> Any:  # noqa: N802 - takes the place of typer's
    """Describes an option, see :func:`typer.Option`."""
    return typer.Option(default, *names, **settings)


def Argument(default: Any = ..., **settings: Any) -> Any:  # noqa: N802 - takes the place of typer's
    """Describes an argument, see :func:`typer.Argument`."""
    return typer.Argument(default, **settings)


def translated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a command that does the same and whose signature every version of Typer reads."""
    own = inspect.signature(function, eval_str=True).parameters
    groups = {
        name: inspect.signature(own[name].annotation, eval_str=True).parameters
        for name in own
        if dataclasses.is_dataclass(own[name].annotation)
    }

    @functools.wraps(function)
    def call(**options: Any) -> Any:
        for name, fields in groups.items():
            options[name] = own[name].annotation(**{field: options.pop(field) for field in fields})
        return function(**options)

    parameters = [_translated(each) for name, one in own.items() for each in groups.get(name, {name: one}).values()]
    # It would lead Typer back to the original's signature.
    del call.__wrapped__
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _translating(register: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def decorate(function: Command) -> Command:
        register(translated(function))
        return function

    return decorate


def _translated(parameter: inspect.Parameter) -> inspect.Parameter:
    annotation, default = parameter.annotation, parameter.default
    if get_origin(annotation) is Annotated:
        annotation, *metadata = get_args(annotation)
        for info in metadata:
            if isinstance(info, (OptionInfo, ArgumentInfo)):
                default = _with_default(info, default)
    # Typer gives every parameter by its name, so the order of those with a default does not matter.
    return parameter.replace(annotation=_optional(annotation), default=default, kind=inspect.Parameter.KEYWORD_ONLY)


def _with_default(info: OptionInfo | ArgumentInfo, default: Any) -> OptionInfo | ArgumentInfo:
    info = copy.copy(info)
    if info.default is not ...:
        # Within Annotated the first positional argument is a name, and lies where a default would.
        info.param_decls = (str(info.default), *(info.param_decls or ()))
    info.default = ... if default is inspect.Parameter.empty else default
    return info


def _optional(annotation: Any) -> Any:
    """``X | None`` as ``Optional[X]``."""
    if isinstance(annotation, types.UnionType):
        return typing.Union[get_args(annotation)]  # noqa: UP007 - what older ones read
    return annotation
