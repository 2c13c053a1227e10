from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError, DatasetError, ModelError


@pytest.fixture
def model(thumbnail_model: Path) -> str:
    return str(thumbnail_model)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    from miniature import msls_tree, utm_folders

    msls_tree(tmp_path / "data")
    utm_folders(tmp_path / "data", "pitts30k/images/test/database", "pitts30k/images/test/queries")
    return tmp_path / "data"


def run(*arguments: str):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.slow
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


def test_parts_fill_the_store_and_the_whole_judges(data: Path, model: str, tmp_path: Path) -> None:
    command = ("eval", "--datasets", "msls_val", "--data-root", data, "--model", model, "--batch", 2, "--json")
    alone = json.loads(run(*command, "--store", tmp_path / "alone").stdout)[0]
    shared = ("--store", tmp_path / "shared")
    for part in ("1/2", "2/2"):
        assert json.loads(run(*command, *shared, "--shard", part).stdout)["part"] == [int(part[0]), 2]
    whole = json.loads(run(*command, *shared).stdout)[0]
    differ = {name for name in alone if alone[name] != whole[name]}
    assert differ <= {"image_ms", "describe_s", "search_s"}
    assert not list((tmp_path / "shared").glob("*.part*"))


def test_the_table_marks_what_does_not_compare(data: Path, model: str, tmp_path: Path) -> None:
    found = tmp_path / "found" / "today"
    files = ("--per-query", found / "q.csv", "--predictions", found / "p.csv")
    result = run("eval", "--datasets", "msls_val", "--data-root", data, "--model", model, "--store", tmp_path, *files)
    assert "≠ BoQ" in result.stdout
    assert "4 queries where 740 are published" in " ".join(result.stdout.split())
    assert "75.0" in result.stdout
    assert len((found / "q.csv").read_text().splitlines()) == 5
    assert len((found / "p.csv").read_text().splitlines()) == 5


def test_predictions_for_no_server_are_refused_before_the_work(data: Path, model: str, tmp_path: Path) -> None:
    words = ("--datasets", "pitts30k_test", "--data-root", data, "--model", model, "--store", tmp_path / "store")
    with pytest.raises(ConfigError, match="pitts30k_test has no keys that a server knows"):
        run("eval", *words, "--predictions", tmp_path / "p.csv")
    assert not (tmp_path / "store").exists()


def test_lists_go_by_spaces_and_commas_and_rows_by_file_size_and_precision(
    data: Path, model: str, tmp_path: Path
) -> None:
    other = tmp_path / "my model, second.onnx"
    shutil.copy(model, other)
    where = ("--data-root", data, "--store", tmp_path / "store", "--json")
    found = json.loads(run("eval", "--model", model, other, "--datasets", "pitts30k_test", "msls_val", *where).stdout)
    rows = ["thumbnail.onnx 24x32 fp32"] * 2 + ["my model, second.onnx 24x32 fp32"] * 2
    assert [entry["row"] for entry in found] == rows
    assert [entry["dataset"] for entry in found] == ["pitts30k_test", "msls_val"] * 2
    assert all(entry["image_ms"] > 0 for entry in found)
    by_commas = run("eval", f"--model={model},{model}", "--datasets", "pitts30k_test,msls_val", *where)
    assert [entry["row"] for entry in json.loads(by_commas.stdout)] == rows[:2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "begins", "holds"),
    [
        (
            "markdown",
            "| data set | method | dims | bytes | ms | R@1",
            "| msls_val | ≠ BoQ (ViT-B/14, 322 px) | 12288 |",
        ),
        ("latex", r"\begin{tabular}{llrrrrrr}", r"msls\_val & $\neq$ A$^2$GC (ViT-g/14) & 33280"),
        ("csv", "data set,method,dims,bytes,ms,R@1,R@5,R@10,source", 'msls_val,"≠ BoQ (ViT-B/14, 322 px)",12288'),
    ],
)
def test_one_table_for_a_paper(form: str, begins: str, holds: str, data: Path, model: str, tmp_path: Path) -> None:
    where = ("--data-root", data, "--model", model, "--store", tmp_path)
    text = run("eval", "--datasets", "msls_val", "pitts30k_test", *where, "--ci", "--table", form).stdout
    assert text.startswith(begins)
    assert holds in text
    assert text.count("thumbnail.onnx 24x32 fp32") == 2
    assert re.search(r"75\.0 \(\d", text)


def test_a_file_keeps_the_size_it_was_exported_for(data: Path, model: str) -> None:
    with pytest.raises(ModelError, match="exported for images of 24x32; export it anew"):
        run("eval", "--datasets", "msls_val", "--data-root", data, "--model", model, "--size", "12x16")


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_a_published_checkpoint_is_judged_at_any_size(data: Path, tmp_path: Path) -> None:
    import torch

    from a2gc_ros.models import build

    torch.manual_seed(0)
    names = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}
    tensors = {}
    for name, tensor in build("cosplace-resnet18-512", descriptor_dim=8).state_dict().items():
        part, module, rest = name.split(".", 2) if name.startswith("backbone") else (*name.split(".", 1), "")
        theirs = f"backbone.{names[module]}.{rest}" if part == "backbone" else module.replace("linear", "3")
        tensors[theirs if part == "backbone" else f"aggregation.{theirs.replace('p', '1.p')}"] = tensor
    torch.save(tensors, tmp_path / "ResNet18_8_eigenplaces.pth")
    options = ("--data-root", data, "--model", tmp_path / "ResNet18_8_eigenplaces.pth", "--store", tmp_path, "--json")
    (found,) = json.loads(run("eval", "--datasets", "pitts30k_test", "--size", "64x96", *options).stdout)
    assert (found["row"], found["descriptor_dim"]) == ("ResNet18_8_eigenplaces.pth 64x96 fp32", 8)
    assert found["recall"]["1"] > 0


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


def test_check_without_a_name_goes_through_all(data: Path, tmp_path: Path) -> None:
    (data / "GSVCities" / "Dataframes").mkdir(parents=True)
    for city in ("Osaka", "Paris"):
        (data / "GSVCities" / "Dataframes" / f"{city}.csv").touch()
    (data / "GSVCities" / "Images" / "Osaka").mkdir(parents=True)
    result = run("datasets", "check", "--data-root", data, "--json")
    assert result.exit_code == 0
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["gsv_cities"]["found"] == "1 cities"
    assert rows["gsv_cities"]["missing"] == [f"{data / 'GSVCities'}/Images/Paris/"]
    assert rows["pitts30k_test"]["found"] == "folders of VPR-datasets-downloader"
    assert (rows["sped"]["found"], len(rows["sped"]["missing"])) == (None, 1)
    assert rows["sped"]["source"]
    assert "tokyo247" in run("datasets", "check", "--data-root", data).stdout
    one = run("datasets", "check", "gsv_cities", "--data-root", data)
    assert one.exit_code == 1
    assert "github.com/amaralibey/gsv-cities" in one.stdout
    (tmp_path / "empty").mkdir()
    assert run("datasets", "check", "--data-root", tmp_path / "empty").exit_code == 1


def test_list_marks_what_is_there(data: Path) -> None:
    rows = {row["name"]: row for row in json.loads(run("datasets", "list", "--data-root", data, "--json").stdout)}
    assert rows["pitts30k_test"]["found"] == "folders of VPR-datasets-downloader"
    assert rows["sped"]["found"] == ""
    assert "nordland_10f" in run("datasets", "list").stdout
