"""From a site's images to a model that was adapted to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.adaptation.judging import Judgement, Shot, judge
from a2gc_ros.adaptation.onnx_head import AdaptableModel, Adapted
from a2gc_ros.adaptation.sources import SiteImage
from a2gc_ros.adaptation.statistics import SiteStatistics, distinct, fit
from a2gc_ros.errors import ConfigError, ImageError
from a2gc_ros.images.ahead import one_ahead

BATCH = 8

CHECKED = 4
"""Images on which the written file is compared with what its statistics say."""


@dataclass(frozen=True)
class AdaptationResult:
    """What an adaptation did.

    Attributes:
        statistics: What was fitted to the distinct ones.
        judgement: Before and after on images that were not used, or None where nothing could be judged.
        written: The file, or None where it was not written because it would be worse.
    """

    images: int
    statistics: SiteStatistics
    judgement: Judgement | None
    written: Adapted | None


def adapt(
    model: AdaptableModel,
    images: Iterable[SiteImage],
    out: Path,
    *,
    provenance: dict[str, object],
    threads: int = 0,
    allow_drop: bool = False,
) -> AdaptationResult:
    """Fits a model's last statistics to images of a site and writes the result.

    Args:
        model: The model.
        images: The images, run by run in the order of time.
        out: The ONNX file to write.
        provenance: What the file says it was adapted on; JSON values.
        threads: CPU threads; 0 leaves it to the runtime.
        allow_drop: Write the file even where images that were not used are recognized worse.

    Raises:
        ConfigError: There are too few distinct images.
        ModelError: A runtime gives other descriptors of the written file than it should.
    """
    runtime = model.open_values(threads)
    values: list[NDArray[np.float32]] = []
    shots: list[Shot] = []
    kept: list[NDArray[np.uint8]] = []
    for batch, taken in one_ahead(_batches(model, images)):
        values.append(runtime(batch))
        shots.extend(taken)
        kept.extend(batch[: max(0, CHECKED - len(kept))])
    if not values:
        raise ConfigError("No image of the site could be read: check the source.")
    all_values = np.concatenate(values)
    chosen = distinct(all_values)
    statistics = fit(all_values[chosen])
    judgement = judge(all_values, shots)
    if judgement is not None and judgement.difference.high < 0 and not allow_drop:
        return AdaptationResult(len(shots), statistics, judgement, None)
    whole = {
        **provenance,
        "images": len(shots),
        "distinct_images": statistics.images,
        "mean_weight": round(statistics.mean_weight, 4),
        "covariance_weight": round(statistics.covariance_weight, 4),
    }
    written = model.write(statistics, out, whole, kept, all_values[: len(kept)])
    return AdaptationResult(len(shots), statistics, judgement, written)


def _batches(model: AdaptableModel, images: Iterable[SiteImage]) -> Iterator[tuple[NDArray[np.uint8], list[Shot]]]:
    """Prepared images (n, height, width, 3) and when they were taken; those that are no such images are left out."""

    def prepared() -> Iterator[tuple[NDArray[np.uint8], Shot]]:
        for image, shot in images:
            try:
                yield model.spec.preprocessing.apply(image), shot
            except ImageError:
                continue

    stream = prepared()
    while some := list(islice(stream, BATCH)):
        yield np.stack([image for image, _ in some]), [shot for _, shot in some]
