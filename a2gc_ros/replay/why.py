"""The part of a report that says where keyframes were lost, and what to turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from a2gc_ros.loops.config import LoopConfig
from a2gc_ros.loops.results import Stage
from a2gc_ros.replay.funnel import Fallen, Funnel
from a2gc_ros.replay.records import Key
from a2gc_ros.viz.report import Section, View

MOST_SHOWN = 120
"""Pairs that fell at one stage, as shown."""

HEADINGS = {
    Stage.SURE: "Nearly: sure, but not given out",
    Stage.VERIFIED: "Nearly: the geometry agrees, but not surely enough",
    Stage.COMPARED: "Nearly: alike, but the geometry does not agree",
}
"""What came farthest first."""

SHORT = {Stage.COMPARED: "Refused", Stage.VERIFIED: "Not sure", Stage.SURE: "Not given out"}

MATCHING_SHARE = 0.2
"""Share of the features of a picture that match in another one of the same place: a tenth to four tenths in an office,
half on a parking lot."""

FEW_SHARE = 0.1
"""Of all keyframes, if so many are poor in features, and fewer than so many of those compared agree with an older one,
the pictures are to blame."""


def sections(
    found: Funnel,
    config: LoopConfig,
    features: npt.NDArray[np.int64],
    seconds: float,
    numbers: Mapping[Key, int],
) -> list[Section]:
    """Shows the funnel and the pairs that fell at each stage.

    Args:
        found: The way of the keyframes.
        config: Settings of loop detection.
        features: Local features of each keyframe, (N,); empty where none are kept.
        seconds: From the first keyframe to the last.
        numbers: Of the page's pairs, by their keys.
    """
    text = "\n\n".join(filter(None, [_lost(found, config, seconds), _poor(found, features, config)]))
    data = {
        "steps": [{"name": step.name, "all": step.keyframes, "known": step.revisits} for step in found.steps],
        "rate": config.max_false_positive_rate,
        "min_agreeing": config.min_agreeing,
    }
    result = [Section("From keyframes to closures", text, views=[View("funnel", data)], short="Funnel")]
    for stage, heading in HEADINGS.items():
        fallen = found.fallen[stage]
        if not fallen:
            continue
        shown = [numbers[entry.key] for entry in fallen if entry.key in numbers][:MOST_SHOWN]
        reasons = [("why", "pairs"), *((reason or "not told", str(count)) for reason, count in found.reasons[stage])]
        counted = f"{len(fallen)} keyframes came no farther." if len(fallen) > 1 else "One keyframe came no farther."
        text = f"{counted} {_advice(stage, config)}{_needed(stage, fallen, config)}"
        result.append(Section(heading, text, reasons, views=[View("cards", {"pairs": shown})], short=SHORT[stage]))
    return result


def _lost(found: Funnel, config: LoopConfig, seconds: float) -> str:
    """Says at which step most were lost."""
    steps = [step for step in found.steps if step.keyframes is not None]
    counts = [step.keyframes or 0 for step in steps]
    if not counts[0]:
        return "No image became a keyframe."
    if not counts[1]:
        if not config.verify:
            return "The geometric check is switched off (verify), so there is nothing to be seen between its steps."
        return (
            f"No keyframe had an older one to be compared with: those less than {config.min_time_gap_s:g} s "
            f"(min_time_gap_s) or, with odometry, {config.min_travel_m:g} m (min_travel_m) ago are left out, and the "
            f"recording is {seconds:.0f} s long."
        )
    text = (
        f"{counts[2]} of {counts[1]} keyframes agree in geometry with an older one, {counts[3]} became sure and "
        f"{counts[4]} were given out. Keyframes that show a place for the first time are rightly lost; the pictures "
        "below, the most promising first, show whether others were lost, too."
    )
    # That another keyframe is more alike loses nothing: several are compared.
    followed = [step for step in found.steps if step.key != "top_1"]
    asked = [step.revisits for step in followed if step.revisits is not None]
    if asked and asked[0]:
        losses = [(before - after, at) for at, (before, after) in enumerate(pairwise(asked), 1)]
        most, at = max(losses)
        text = f"Of {asked[0]} revisits {asked[-1]} were found."
        if most:
            text += f" Most of the others, {most}, fell before the step: {followed[at].name}."
    return text


def _poor(found: Funnel, features: npt.NDArray[np.int64], config: LoopConfig) -> str:
    """Says whether the pictures have what the geometric check needs."""
    if not len(features):
        return ""
    least = round(config.min_inliers / MATCHING_SHARE)
    few = int((features < least).sum())
    text = f"A keyframe has {int(np.median(features))} local features (median)"
    counts = {step.key: step.keyframes or 0 for step in found.steps}
    if few < FEW_SHARE * len(features) or counts["agree"] >= FEW_SHARE * counts["compared"]:
        return f"{text}, which is enough for the geometric check."
    if counts["given_out"]:
        return (
            f"{text}; {few} of {len(features)} have fewer than {least}, which is few for the geometric check: of two "
            f"pictures of one place a fifth of the features may match, and {config.min_inliers} have to agree "
            "(min_inliers). Revisits in such pictures may be missed."
        )
    return (
        f"{text}, and {few} of {len(features)} have fewer than {least}: too few for the geometric check. Of two "
        f"pictures of one place a fifth of the features may match, and {config.min_inliers} have to agree "
        "(min_inliers). Such pictures are too small, too dark, blurred, or of bare walls, and no setting makes up for "
        "that: give larger and sharper ones (a shorter exposure, more light, a lens that is in focus)."
    )


def _advice(stage: Stage, config: LoopConfig) -> str:
    """Says what the stage asks for, and what to turn where it is wrong."""
    if stage is Stage.COMPARED:
        return (
            f"Looked alike, but fewer than {config.min_inliers} features (min_inliers), less than "
            f"{config.min_inlier_ratio:.0%} of the matches (min_inlier_ratio), or less than "
            f"{config.min_coverage:.0%} of the image (min_coverage) agree with one camera motion. Where the pictures "
            "show different places, this is as it should be. Where they show one, look for blur, another light and "
            "large changes of viewpoint first; lower limits let look-alikes through as well."
        )
    if stage is Stage.VERIFIED:
        return (
            f"The features agree, but a closure asks for a probability of {1 - config.max_false_positive_rate:g} "
            f"(max_false_positive_rate {config.max_false_positive_rate:g}), and {config.min_agreeing} keyframes in "
            f"line (min_agreeing) within {config.hold_keyframes} keyframes (hold_keyframes). Where the pictures show "
            "one place, keyframes closer to each other (keyframe_distance_m, keyframe_similarity) and a longer wait "
            "help without making false closures likelier; a larger rate does make them likelier."
        )
    return (
        f"Likely enough, but the pose contradicts the map, or odometry (max_drift {config.max_drift:g}), or too few "
        f"others agree with it (min_agreeing {config.min_agreeing}). Where these are right, odometry may drift more "
        "than it is allowed to, or its frames or the camera's mounting (/tf_static) may be wrong."
    )


def _needed(stage: Stage, fallen: Sequence[Fallen], config: LoopConfig) -> str:
    """Says which rate would have let the likeliest pair through."""
    likeliest = max(
        (entry.pair.probability for entry in fallen if entry.pair.length >= config.min_agreeing), default=0.0
    )
    if stage is not Stage.VERIFIED or not 0.9 <= likeliest < 1 - config.max_false_positive_rate:
        return ""
    # Rounded up, so that it does let it through.
    rate = np.ceil((1 - likeliest) * 1e4) / 1e4
    return (
        f" The likeliest has {_probability(likeliest)}: --set max_false_positive_rate={rate:g} would have let it "
        "through. Look at the pictures before you do."
    )


def _probability(value: float) -> str:
    """0.97, but 0.9995 for what is nearly sure."""
    return f"{value:.2f}" if value < 0.99 else f"{value:.5f}".rstrip("0")
