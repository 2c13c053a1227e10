from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError, DatasetError

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "evaluation"), str(TESTS / "ros")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    from thumbnail_model import write_thumbnail_model

    path = tmp_path_factory.mktemp("model") / "thumbnail.onnx"
    write_thumbnail_model(path)
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    from miniature import msls_tree, utm_folders

    msls_tree(tmp_path / "data")
    utm_folders(tmp_path / "data", "pitts30k/images/test/database", "pitts30k/images/test/queries")
    return tmp_path / "data"


def run(*arguments: str):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_json_holds_everything(data: Path, model: str, tmp_path: Path) -> None:
    options = (
        "--data-root",
        data,
        "--model",
        model,
        "--store",
        tmp_path / "store",
        "--ci",
        "--compress",
        "pca3",
        "--json",
    )
    result = run("eval", "--datasets", "pitts30k_test,msls_val", *options)
    first, second = json.loads(result.stdout)
    assert (first["dataset"], first["queries"], first["answerable"], first["database"]) == ("pitts30k_test", 4, 3, 4)
    assert list(first["recall"]) == ["1", "5", "10", "15", "20", "25", "50", "100"]
    assert (first["recall"]["1"], first["recall"]["100"]) == (0.5, 0.75)
    low, high = first["interval"]["1"]
    assert low <= 0.5 <= high
    assert first["compressed"][0]["descriptor_bytes"] == 6
    assert "6816 are published" in first["differs"]
    assert (second["dataset"], second["queries"], second["interval_over"]) == ("msls_val", 4, "groups of queries")


def test_the_table_marks_what_does_not_compare(data: Path, model: str, tmp_path: Path) -> None:
    files = ("--per-query", tmp_path / "q.csv", "--predictions", tmp_path / "p.csv")
    result = run("eval", "--datasets", "msls_val", "--data-root", data, "--model", model, "--store", tmp_path, *files)
    assert "≠ BoQ" in result.stdout
    assert "4 queries where 740 are published" in " ".join(result.stdout.split())
    assert "75.0" in result.stdout
    assert len((tmp_path / "q.csv").read_text().splitlines()) == 5
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 5


@pytest.mark.skipif(importlib.util.find_spec("a2gc_training") is None, reason="needs a2gc_training")
def test_a_table_with_a_protocol(model: str, tmp_path: Path) -> None:
    from miniature import write_picture

    rows = ["path,hall,clip"]
    for number, (look, hall, clip) in enumerate([(0, "a", 1), (1, "b", 1), (0, "a", 2), (2, "b", 2), (0, "c", 3)]):
        write_picture(tmp_path / f"{number}.png", look)
        rows.append(f"{number}.png,{hall},{clip}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    (tmp_path / "t.yaml").write_text(
        f"name: halls\nsource: {{kind: csv, file: {tmp_path / 't.csv'}}}\n"
        "protocol: {same: {kind: columns, columns: [hall]}, queries: {clip: [2]}, ignore_same: [clip]}\n"
    )
    options = ("--model", model, "--store", tmp_path, "--group-by", "clip", "--ci", "--json")
    (found,) = json.loads(run("eval", "--datasets", tmp_path / "t.yaml", *options).stdout)
    # Images 2 and 3 ask; image 2 looks like 0, which is right, and 4, which is not; a tie goes to the earlier row.
    assert (found["queries"], found["database"], found["recall"]["5"]) == (2, 3, 1.0)
    assert found["interval"]["5"] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to evaluate"),
        (("--datasets", "pitts30k_test"), "--data-root"),
        (("--datasets", "pitts"), "did you mean pitts"),
        (("--database", "x"), "give both"),
        (("--datasets", "pitts30k_test", "--ram", "much"), "no size of memory"),
    ],
)
def test_mistakes_are_said(arguments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A2GC_DATA", raising=False)
    with pytest.raises(ConfigError, match=words):
        run("eval", *arguments)


def test_a_data_set_that_is_not_there_points_to_check(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="a2gc datasets check sped"):
        run("eval", "--datasets", "sped", "--data-root", tmp_path)


def test_check_says_what_where_and_under_which_terms(data: Path) -> None:
    present = run("datasets", "check", "msls_val", "--data-root", data)
    assert present.exit_code == 0
    assert "found: Mapillary's tree" in present.stdout
    absent = run("datasets", "check", "tokyo247", "--data-root", data)
    assert absent.exit_code == 1
    for words in ("tokyo247/images/test/queries/", "missing (2)", "from:", "terms:"):
        assert words in absent.stdout
    facts = json.loads(run("datasets", "check", "tokyo247", "--data-root", data, "--json").stdout)
    assert facts["missing"] == ["tokyo247/images/test/database/", "tokyo247/images/test/queries/"]


def test_list_marks_what_is_there(data: Path) -> None:
    rows = {row["name"]: row for row in json.loads(run("datasets", "list", "--data-root", data, "--json").stdout)}
    assert rows["pitts30k_test"]["found"] == "folders of VPR-datasets-downloader"
    assert rows["sped"]["found"] == ""
    assert "nordland_10f" in run("datasets", "list").stdout
