"""Declares the node's parameters, and keeps wrong values from taking it down."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from a2gc_ros.errors import ConfigError
from a2gc_ros.nodes.base.parameter import Parameter

_WRITTEN = {
    "bool": "true or false",
    "integer": "a whole number",
    "double": "a number",
    "string": "text",
    "string[]": "a list of texts, such as ['a.a2gc']",
    "double[]": "a list of numbers, such as [0, 1.5]",
}


class DeclaredParameters:
    """The parameters on a node.

    A value of another type that is given at the start is taken as it was meant. One that does not fit would make rclpy
    raise in the node's constructor; here it is remembered, and every configuration is refused with its sentence until
    the parameter is set to something that fits.
    """

    def __init__(self, node: Node, table: Sequence[Parameter]) -> None:
        self._node = node
        self._table = {parameter.name: parameter for parameter in table}
        self._problems: dict[str, str] = {}
        self.configured = False
        for parameter in table:
            self._declare(parameter)
        node.add_on_set_parameters_callback(self._check)

    def values(self) -> dict[str, Any]:
        """Returns the present values by name.

        Raises:
            ConfigError: If one that was given at the start does not fit.
        """
        if self._problems:
            raise ConfigError(next(iter(self._problems.values())))
        return {name: self._value(name) for name in self._table}

    def _value(self, name: str) -> Any:
        value = self._node.get_parameter(name).value
        if self._table[name].type_name == "string[]":
            return tuple(item for item in value if item)
        return value

    def _declare(self, parameter: Parameter) -> None:
        default: Any = parameter.default
        if isinstance(default, tuple):
            default = list(default) or [""]
        # The range comes after the value: with it, rclpy would raise, and say less than we do.
        without_range = ParameterDescriptor(description=parameter.description)
        given = self._given(parameter, default)
        value = as_meant(parameter.type_name, given)
        if value is None:
            problem: str | None = f"parameter {parameter.name} must be {_WRITTEN[parameter.type_name]}"
        else:
            problem = parameter.problem_with(value)
        start = default if value is None else value
        self._node.declare_parameter(parameter.name, start, without_range, ignore_override=True)
        if problem:
            self._problems[parameter.name] = f"{problem}: set it and configure again"
            self._node.set_parameters([RosParameter(parameter.name, value=default)])
        self._node.set_descriptor(parameter.name, _descriptor(parameter, default))

    def _given(self, parameter: Parameter, default: Any) -> Any:
        """Returns the value that was given at the start, whatever its type, or else the default."""
        any_type = ParameterDescriptor(dynamic_typing=True)
        value = self._node.declare_parameter(parameter.name, default, any_type).value
        self._node.undeclare_parameter(parameter.name)
        return value

    def _check(self, changes: list[RosParameter[Any]]) -> SetParametersResult:
        for change in changes:
            parameter = self._table.get(change.name)
            if parameter is None:
                continue
            reason = parameter.problem_with(change.value)
            if self.configured and parameter.change == "unconfigured":
                reason = (
                    f"parameter {change.name} takes effect when the node is configured: deactivate and clean up first"
                )
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        for change in changes:
            self._problems.pop(change.name, None)
        return SetParametersResult(successful=True)


def as_meant(type_name: str, given: Any) -> Any:
    """Returns a value as a parameter's type has it, or None where it cannot be meant so.

    ROS is strict, and people are not: ``rate:=5`` is no double, ``maps:=town.a2gc`` no list, and ``maps:=[]`` nothing.

    Args:
        type_name: What the parameter is, such as ``double``.
        given: What was given; None for an empty list.
    """
    items = list(given) if isinstance(given, (list, tuple, array)) else [] if given is None else [given]
    if type_name == "string[]":
        # ROS knows no empty list of strings, so an empty string stands for it.
        return (items or [""]) if all(isinstance(item, str) for item in items) else None
    if type_name == "double[]":
        return [float(item) for item in items] if items and all(map(_is_number, items)) else None
    if type_name == "double":
        return float(given) if _is_number(given) else None
    kind = {"bool": bool, "integer": int, "string": str}[type_name]
    return given if type(given) is kind else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _descriptor(parameter: Parameter, default: Any) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        type=RosParameter(parameter.name, value=default).type_.value,
        description=parameter.description,
        read_only=parameter.change == "never",
    )
    if parameter.choices:
        descriptor.additional_constraints = f"one of {', '.join(parameter.choices)}"
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None:
        if isinstance(parameter.default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=0)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
    return descriptor
