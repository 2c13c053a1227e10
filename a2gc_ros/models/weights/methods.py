"""Published methods: the licence of the weights of each, and the input that its authors evaluate it on."""

from __future__ import annotations

from dataclasses import dataclass

from a2gc_ros.images.preprocess import Preprocessing


@dataclass(frozen=True)
class Method:
    """A published method.

    Attributes:
        licence: Of its weights.
        size: Height and width of the input in pixels.
        interpolation: Of the resize, which squashes the image.
    """

    licence: str
    size: tuple[int, int]
    interpolation: str = "bilinear"

    @property
    def preprocessing(self) -> Preprocessing:
        """How an image becomes its input."""
        return Preprocessing(
            height=self.size[0],
            width=self.size[1],
            interpolation=self.interpolation,  # type: ignore[arg-type]  # checked there
        )


AS_PUBLISHED = "as its publisher states: "

METHODS = {
    "salad": Method("GPL-3.0", (322, 322)),
    "a2gc": Method(AS_PUBLISHED + "https://github.com/CV4RA/A2GC", (322, 322)),
    "megaloc": Method("MIT", (322, 322)),
    "boq": Method("MIT", (322, 322), "bicubic"),
    "boq_resnet": Method("MIT", (384, 384), "bicubic"),
    "mixvpr": Method(AS_PUBLISHED + "https://github.com/amaralibey/MixVPR", (320, 320)),
    # They describe images as they are stored; 480 x 640 is what Pittsburgh, MSLS and most robots' cameras have.
    "cosplace": Method("MIT", (480, 640)),
    "cosplace_vgg16": Method("MIT", (480, 640)),
    "netvlad": Method("as its publisher states", (480, 640)),
}
"""By layout; BoQ's models over a ResNet and over DINOv2 take different sizes."""
