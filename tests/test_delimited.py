"""Tables of any spreadsheet, as poses, as ground truth and as lists of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.bags.pose_table import read_pose_table
from a2gc_ros.delimited import delimiter_of, read_records
from a2gc_ros.errors import BagError

POSES = "image;x;y;yaw\n@a.jpg;1,5;-2,5;0,5\n@b.jpg;1,5e1;,25;3\n"


def test_semicolons_and_decimal_commas_are_read(tmp_path: Path) -> None:
    path = tmp_path / "poses.csv"
    path.write_text("\ufeff" + POSES, encoding="utf-8")
    table = read_pose_table(path)
    assert table.images == ["@a.jpg", "@b.jpg"]
    np.testing.assert_allclose([pose[:2, 3] for pose in table.poses], [(1.5, -2.5), (15, 0.25)])


def test_tabs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "poses.tsv"
    path.write_text("stamp\tx\ty\tyaw\n1\t2\t3\t0\n")
    assert read_pose_table(path).stamps_ns == [1_000_000_000]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (POSES + "@c.jpg;1\n", "line 4 has 2 values"),
        (POSES.replace("1,5;", "1.234,5;"), "line 2: could not convert"),
        ("image;x;y\n@a.jpg;1,5;2,5\n", "poses need x and y in metres and either"),
        ("1 0 0 0 0 1 0 0 0 0 1 inf\n", "line 1 is not a pose"),
        ("1 inf 0 0 0 1 0 0 0 0 1 0\n", "line 1 is not a pose"),
        ("0 1e200 2 3 0 0 0 1\n", "line 1: not a pose"),
        ("0 1 2 3 0 0 0 1e200\n", "line 1: not a pose"),
        ("0 1 2 3 nan 0 0 1\n", "line 1: not a pose"),
    ],
)
def test_refusals_name_the_line(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "poses.csv"
    path.write_text(text)
    (tmp_path / "times.txt").write_text("1\n")
    with pytest.raises(BagError, match=sentence):
        read_pose_table(path)


def test_records_have_their_lines() -> None:
    assert read_records("a,b\n\n1,2\n") == (["a", "b"], [(3, {"a": "1", "b": "2"})])
    assert read_records("") == ([], [])
    assert delimiter_of("abc") is None
    with pytest.raises(ValueError, match="line 2 has 3 cells where the header has 2"):
        read_records("a;b\n1;2;3\n")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from('ab,;\t\n\r".1e-\x00'), max_size=60))
def test_arbitrary_text_raises_nothing_but_value_errors(text: str) -> None:
    try:
        header, rows = read_records(text)
    except ValueError:
        return
    assert all(set(row) == set(header) for _, row in rows)
