"""Published methods: the licence of the weights of each, and the input that its authors evaluate it on."""

from __future__ import annotations

from typing import NamedTuple

from a2gc_ros.images.preprocess import Preprocessing


class Method(NamedTuple):
    """A published method: the licence of its weights, and how an image becomes its input."""

    licence: str
    preprocessing: Preprocessing


AS_PUBLISHED = "as its publisher states: "

METHODS = {
    "salad": Method("GPL-3.0", Preprocessing(322, 322)),
    "a2gc": Method(AS_PUBLISHED + "https://github.com/CV4RA/A2GC", Preprocessing(322, 322)),
    "megaloc": Method("MIT", Preprocessing(322, 322)),
    "boq": Method("MIT", Preprocessing(322, 322, interpolation="bicubic")),
    "boq_resnet": Method("MIT", Preprocessing(384, 384, interpolation="bicubic")),
    "mixvpr": Method(AS_PUBLISHED + "https://github.com/amaralibey/MixVPR", Preprocessing(320, 320)),
    # They describe images as they are stored; 480 x 640 is what Pittsburgh, MSLS and most robots' cameras have.
    "cosplace": Method("MIT", Preprocessing(480, 640)),
    "cosplace_vgg16": Method("MIT", Preprocessing(480, 640)),
    "netvlad": Method("as its publisher states", Preprocessing(480, 640)),
}
"""By layout; BoQ's models over a ResNet and over DINOv2 take different sizes."""
