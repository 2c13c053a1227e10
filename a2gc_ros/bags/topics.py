"""Chooses among the topics of a recording what a user left open."""

from __future__ import annotations

from collections.abc import Sequence

from a2gc_ros.bags.message_types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    ODOMETRY,
    POSE,
    POSE_WITH_COVARIANCE,
    TRANSFORMS,
)
from a2gc_ros.bags.storage import Topic
from a2gc_ros.errors import BagError

_NOT_A_VIEW = ("depth", "disparity")
_TRUTH = ("ground_truth", "groundtruth", "truth")
_NOT_A_PATH = ("goal", "initialpose", *_TRUTH)


def image_topic(topics: Sequence[Topic], wanted: str | None = None) -> Topic:
    """Returns the image topic: the wanted one, or the only one.

    Depth images are passed over, and of a camera recorded both raw and compressed the raw topic is taken.

    Raises:
        BagError: If there is none, or several and none was named; the message lists them.
    """
    if wanted is not None:
        return _named(topics, wanted, (IMAGE, COMPRESSED_IMAGE), "an image topic")
    images = [topic for topic in topics if topic.is_image and topic.count]
    views = [topic for topic in images if not any(word in topic.name.lower() for word in _NOT_A_VIEW)]
    names = {topic.name for topic in views if topic.type == IMAGE}
    views = [topic for topic in views if topic.type == IMAGE or topic.name.removesuffix("/compressed") not in names]
    if len(views) == 1:
        return views[0]
    if not views:
        raise BagError(f"the recording has no color or gray images; it has {_listing(topics)}")
    raise BagError(f"the recording has several image topics, name one of them: {_listing(views)}")


def pose_topic(topics: Sequence[Topic], wanted: str | None = None) -> Topic | None:
    """Returns where poses come from: the wanted topic, or the best there is.

    Odometry goes before stamped poses and those before /tf. Goals and true poses are never guessed.

    Raises:
        BagError: If the wanted topic carries no poses, or if several are equally good.
    """
    if wanted is not None:
        return _named(topics, wanted, (ODOMETRY, POSE, POSE_WITH_COVARIANCE, TRANSFORMS), "a topic of poses")
    usable = [topic for topic in topics if topic.count and not any(word in topic.name.lower() for word in _NOT_A_PATH)]
    for types in ((ODOMETRY,), (POSE, POSE_WITH_COVARIANCE)):
        found = [topic for topic in usable if topic.type in types]
        if len(found) > 1:
            raise BagError(f"the recording has several topics of poses, name one of them: {_listing(found)}")
        if found:
            return found[0]
    return next((t for t in usable if t.type == TRANSFORMS and not t.name.endswith("tf_static")), None)


def truth_topic(topics: Sequence[Topic]) -> Topic | None:
    """Returns the first topic of poses whose name says that they are true, or None."""
    named = (t for t in topics if t.count and any(word in t.name.lower() for word in _TRUTH))
    return next((t for t in named if t.type in (ODOMETRY, POSE, POSE_WITH_COVARIANCE)), None)


def info_topic(topics: Sequence[Topic], image: Topic, wanted: str | None = None) -> Topic | None:
    """Returns the calibration topic of a camera: the wanted one, the one beside its images, or the only one.

    A calibration beside another camera's images is never taken for this one's.

    Raises:
        BagError: If the wanted topic carries no calibration.
    """
    if wanted is not None:
        return _named(topics, wanted, (CAMERA_INFO,), "a camera_info topic")
    infos = [topic for topic in topics if topic.type == CAMERA_INFO and topic.count]
    if beside := [topic for topic in infos if topic.name in _info_names(image)]:
        return beside[0]
    taken = {name for topic in topics if topic.is_image for name in _info_names(topic)}
    return infos[0] if len(infos) == 1 and infos[0].name not in taken else None


def depth_topic(topics: Sequence[Topic], wanted: str) -> Topic:
    """Returns the topic of depth images that was named.

    Raises:
        BagError: If it does not exist or carries something else.
    """
    return _named(topics, wanted, (IMAGE,), "a topic of depth images")


def _info_names(image: Topic) -> tuple[str, str]:
    """Returns where the calibration of a camera is published by convention, and where some drivers put it."""
    base = image.name.removesuffix("/compressed")
    return f"{base.rpartition('/')[0]}/camera_info", f"{base}/camera_info"


def _named(topics: Sequence[Topic], wanted: str, types: Sequence[str], what: str) -> Topic:
    for topic in topics:
        if topic.name.lstrip("/") == wanted.lstrip("/"):
            if topic.type in types:
                return topic
            raise BagError(f"{topic.name} is not {what}: it carries {topic.type}")
    suitable = [topic for topic in topics if topic.type in types]
    raise BagError(
        f"the recording has no topic {wanted}; as {what} it offers {_listing(suitable)}"
        if suitable
        else f"the recording has no topic {wanted}, nor any other that is {what}"
    )


def _listing(topics: Sequence[Topic]) -> str:
    return ", ".join(f"{topic.name} ({topic.type}, {topic.count})" for topic in topics) or "no topics at all"
