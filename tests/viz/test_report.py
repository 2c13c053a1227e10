"""The report is one file that holds everything and trusts nothing."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from a2gc_ros.viz.report import Report, Section


def test_report_embeds_pictures_and_escapes_text(tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    cv2.imwrite(str(picture), np.zeros((4, 4, 3), np.uint8))
    section = Section("A & B", "one\n\ntwo", [("k", "v"), ("<script>", "1")], [(picture, 'a "picture"')])
    Report("<Run>", "sub", [("1.000", "precision")], [section]).write(tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert base64.b64encode(picture.read_bytes()).decode() in page
    assert "<script>" not in page
    assert "&lt;Run&gt;" in page
    assert page.count("<p>") == 3
    assert 'alt="a &quot;picture&quot;"' in page
    assert "http" not in page
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []
