"""What a user says of a camera where its messages leave it open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from a2gc_ros.errors import ConfigError
from a2gc_ros.images.calibration import RECTIFICATIONS, Rectification

MOST_BITS: Final = 16


@dataclass(frozen=True)
class CameraOptions:
    """How a camera's messages are to be understood.

    Attributes:
        rectification: Whether its images are raw or rectified; ``auto`` takes it from the topic's name.
        sensor_bits: How many of 16 bits its samples use, as 12; 0 takes what the images show.
    """

    rectification: Rectification = "auto"
    sensor_bits: int = 0

    def __post_init__(self) -> None:
        if self.rectification not in RECTIFICATIONS:
            raise ConfigError(f"rectification is {self.rectification!r}; it must be one of {', '.join(RECTIFICATIONS)}")
        if self.sensor_bits and not 8 <= self.sensor_bits <= MOST_BITS:
            raise ConfigError(f"sensor_bits is {self.sensor_bits}; it must be 8 to {MOST_BITS}, or 0 for what is seen")


def samples_note(topic: str, bits: int) -> str:
    """Says that a topic's 16-bit samples seem to use fewer bits."""
    return (
        f"{topic} has samples of {bits} bits in 16: images are scaled by what each shows; set sensor_bits to {bits} to "
        "have all scaled alike"
    )
