"""The page of an evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.viz.retrieval import Picture, Retrieval
from a2gc_ros.viz.retrieval_page import Shown, retrieval_page


def test_no_answer_stands_without_its_head_or_under_another_ones() -> None:
    picture = Picture(np.zeros((6, 8, 3), np.uint8), "0.9")
    shown = Shown("", "", [Retrieval(picture, [picture], [])], ["one model", "another"])
    with pytest.raises(ValueError, match="shorter"):
        retrieval_page("Models", "", [], [], shown)
