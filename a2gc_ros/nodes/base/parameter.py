"""What a parameter of a node is: its type, its bounds, and when it may be set."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from a2gc_ros.errors import ConfigError

Value: TypeAlias = "bool | int | float | str | tuple[str, ...] | tuple[float, ...]"

Change: TypeAlias = Literal["never", "unconfigured", "anytime"]


LOOKS_AHEAD = (0.0, 0.0, 0.0, -1.5707963267948966, 0.0, -1.5707963267948966)
"""Default of ``camera_pose``: a guess, not somebody's word."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of the node.

    Attributes:
        name: With dots between its parts.
        default: Also fixes the type.
        description: One sentence, for `ros2 param describe` and the documentation.
        minimum: Smallest value allowed, for numbers.
        maximum: Largest value allowed, for numbers.
        choices: The values allowed, for strings; empty for any.
        change: When it may be set: never after the start, only while the node is unconfigured, or at any time.
    """

    name: str
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    change: Change = "unconfigured"

    @property
    def type_name(self) -> str:
        """The type in ROS's words, such as ``double`` or ``string[]``."""
        if isinstance(self.default, tuple):
            return "double[]" if self.default and isinstance(self.default[0], float) else "string[]"
        names = {bool: "bool", int: "integer", float: "double", str: "string"}
        return names[type(self.default)]

    def problem_with(self, value: object) -> str | None:
        """Returns one sentence about what is wrong with a value of the right type, or None."""
        if self.choices and value not in self.choices:
            return f"parameter {self.name} is {value!r} but must be one of {', '.join(self.choices)}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            low, high = self.minimum, self.maximum
            # Written so that NaN is refused too.
            inside = (low is None or value >= low) and (high is None or value <= high) and value == value
            if not inside:
                bounds = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
                return f"parameter {self.name} is {value:g} but must be {bounds}"
        if isinstance(self.default, tuple) and self.type_name == "double[]":
            wanted = len(self.default)
            if not isinstance(value, (tuple, list, array)) or len(value) != wanted:
                return f"parameter {self.name} needs {wanted} numbers"
        return None


def checked(table: Iterable[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a table's parameters, lists as tuples.

    Raises:
        ConfigError: If one is out of range or no choice.
    """
    found: dict[str, Any] = {}
    for parameter in table:
        value = values[parameter.name]
        if problem := parameter.problem_with(value):
            raise ConfigError(problem)
        found[parameter.name] = tuple(value) if isinstance(value, (list, array)) else value
    return found
