"""The report is one file that holds everything and trusts nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from pathlib import Path

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.viz.report import Report, Section, json_for_script


def test_report_embeds_pictures_and_escapes_text(tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    cv2.imwrite(str(picture), np.zeros((4, 4, 3), np.uint8))
    section = Section("A & B", "one\n\ntwo", [("k", "v"), ("<script>", "1")], [(picture, 'a "picture"')])
    Report("<Run>", "sub", [("1.000", "precision")], [section]).write(tmp_path / "index.html")
    page = (tmp_path / "index.html").read_text()
    assert base64.b64encode(picture.read_bytes()).decode() in page
    assert "<td>&lt;script&gt;</td>" in page
    assert "<title>&lt;Run&gt;</title>" in page
    assert "<p>one</p><p>two</p>" in page
    assert 'alt="a &quot;picture&quot;"' in page
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []


@given(st.recursive(st.text() | st.none() | st.floats() | st.integers(), lambda inner: st.lists(inner, max_size=3)))
def test_data_come_back_from_a_script_element_and_cannot_end_it(value: object) -> None:
    text = json_for_script({"value": value})
    assert not {"<", ">"} & set(text)

    def finite(entry: object) -> object:
        if isinstance(entry, list):
            return [finite(part) for part in entry]
        return None if isinstance(entry, float) and not math.isfinite(entry) else entry

    assert json.loads(text) == {"value": finite(value)}


def test_nothing_but_the_page_s_own_programs_may_run() -> None:
    page = Report("t").to_html()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]  # type: ignore[index]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(scripts) == 2
    allowed = " ".join(f"'sha256-{entry}'" for entry in hashes)
    assert f"script-src {allowed};" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
