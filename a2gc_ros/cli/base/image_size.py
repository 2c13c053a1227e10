"""The size of a model's input, as people write it."""

from __future__ import annotations

from a2gc_ros.errors import ConfigError


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Height and width from ``322`` or ``240x320``.

    Raises:
        ConfigError: It is neither.
    """
    if text is None:
        return None
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and int(side) > 0 for side in sides):
        raise ConfigError(f"--size is {text!r}; give one side in pixels, such as 322, or height x width: 240x320.")
    return int(sides[0]), int(sides[-1])
