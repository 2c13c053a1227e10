"""A picture for people: what the camera sees beside what it was recognized as."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.results import Detection

HEIGHT = 360
GREEN, YELLOW, GRAY = (80, 220, 100), (250, 200, 60), (160, 160, 160)


def side_by_side(
    query: npt.NDArray[np.uint8], keyframe: npt.NDArray[np.uint8] | None, text: str, color: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    """Draws two images beside each other with a line of text above.

    Args:
        query: uint8 (H, W, 3), RGB.
        keyframe: The same of the keyframe; None leaves its place dark.
        text: Drawn in ASCII; OpenCV's font has no more.
        color: RGB of text and frame.

    Returns:
        uint8 (H, W, 3), RGB.
    """
    left = _to_height(query)
    right = np.full_like(left, 32) if keyframe is None else _to_height(keyframe)
    pair = np.hstack([left, right])
    canvas = cv2.copyMakeBorder(pair, 36, 4, 4, 4, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    cv2.rectangle(canvas, (1, 33), (canvas.shape[1] - 2, canvas.shape[0] - 2), color, 2)
    cv2.putText(canvas, text, (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, color, 1, cv2.LINE_AA)
    return np.asarray(canvas, dtype=np.uint8)


def caption(detection: Detection) -> tuple[str, tuple[int, int, int]]:
    """Returns what to say about a detection, and in which color."""
    if detection.closures:
        best = detection.closures[0]
        kind = "relocalized" if best.is_relocalization else "loop closure"
        inliers = f", {best.verification.inliers} inliers" if best.verification else ", not verified"
        return f"{kind}: keyframe {best.match.keyframe_id}, {best.match.similarity:.3f}{inliers}", GREEN
    if detection.verified:
        match, pair = detection.verified[0]
        agree = f"{pair.inliers} of {pair.matches} matches agree"
        return f"waits for later keyframes: keyframe {match.keyframe_id}, {agree}", YELLOW
    if detection.candidates:
        return f"candidate refused: {detection.candidates[0].similarity:.3f}", YELLOW
    if detection.matches:
        return f"no candidate; most similar {detection.matches[0].similarity:.3f}", GRAY
    return "nothing to compare with yet", GRAY


def _to_height(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    width = max(1, round(image.shape[1] * HEIGHT / image.shape[0]))
    return np.asarray(cv2.resize(image, (width, HEIGHT), interpolation=cv2.INTER_AREA), dtype=np.uint8)
