from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from miniature import CASES, Case, at, frame_pairs, msls_tree, npy_lists, utm_folders, write_picture, write_rows

from a2gc_ros.errors import ConfigError, DatasetError
from a2gc_ros.evaluation.datasets.catalogue import benchmark, benchmarks, inspect
from a2gc_ros.evaluation.datasets.object_arrays import read_row_lists
from a2gc_ros.evaluation.datasets.own_files import open_folders
from a2gc_ros.evaluation.evaluate import EvaluationResult, EvaluationSettings, evaluate
from a2gc_ros.evaluation.ground_truth import FrameTruth, ListedTruth, RadiusTruth
from a2gc_ros.evaluation.images import FileImages
from a2gc_ros.evaluation.results import write_per_query, write_predictions
from a2gc_ros.extract import Extractor


def run(dataset, extractor: Extractor, folder: Path) -> EvaluationResult:
    return evaluate(dataset, extractor, EvaluationSettings(store=folder / "store"))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.layout}")
def test_every_reader_gives_the_recall_computed_by_hand(case: Case, extractor: Extractor, tmp_path: Path) -> None:
    case.write(tmp_path)
    found = inspect(benchmark(case.name), tmp_path)
    assert found.complete
    assert found.queries == case.asked
    outcome = run(benchmark(case.name).open(tmp_path), extractor, tmp_path)
    assert len(outcome.scored) == case.asked
    assert outcome.recall.answerable.sum() == case.answerable
    assert outcome.recall.at(1) == pytest.approx(case.at_1)
    if case.at_5 is not None:
        assert outcome.recall.at(5) == pytest.approx(case.at_5)


@pytest.mark.parametrize("root", [".", "data", "datasets", "program"])
def test_data_and_datasets_may_stand_side_by_side(root: str, tmp_path: Path) -> None:
    """Images in ``data`` and lists in ``datasets``, whichever of the folders is named."""
    lists = "program/datasets/Pittsburgh" if root == "program" else "datasets/Pittsburgh"
    npy_lists(tmp_path, lists, "data/Pittsburgh", "pitts30k_val")
    msls_tree(tmp_path / "data")
    utm_folders(tmp_path / "datasets", "st_lucia/images/test/database", "st_lucia/images/test/queries")
    assert len(benchmark("pitts30k_val").open(tmp_path / root).queries) == 4
    assert benchmark("msls_val").found(tmp_path / root)
    assert root == "program" or benchmark("st_lucia").found(tmp_path / root)


def test_msls_may_be_unpacked_into_the_folder_of_data_sets_itself(tmp_path: Path) -> None:
    msls_tree(tmp_path)
    (tmp_path / "msls" / "train_val").rename(tmp_path / "train_val")
    (tmp_path / "msls").rmdir()
    assert len(benchmark("msls_val").open(tmp_path).database) == 5


def test_an_ordinary_folder_does_not_look_around(tmp_path: Path) -> None:
    msls_tree(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    assert benchmark("msls_val").found(tmp_path / "elsewhere") is None


def test_every_protocol_has_a_miniature() -> None:
    assert {case.name for case in CASES} == set(benchmarks())


def test_sizes_other_than_published_are_said(tmp_path: Path) -> None:
    utm_folders(tmp_path, "pitts30k/images/test/database", "pitts30k/images/test/queries")
    dataset = benchmark("pitts30k_test").open(tmp_path)
    assert dataset.differs is not None
    assert "4 queries where 6816 are published" in dataset.differs


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean nordland_10f"):
        benchmark("nordland_10")


def test_predictions_are_written_as_the_msls_server_took_them(extractor: Extractor, tmp_path: Path) -> None:
    msls_tree(tmp_path)
    outcome = run(benchmark("msls_val").open(tmp_path), extractor, tmp_path)
    write_predictions(outcome, tmp_path / "predictions.csv")
    lines = [line.split(" ") for line in (tmp_path / "predictions.csv").read_text().splitlines()]
    # The query without a right image is predicted too; the panorama and the one outside the subtask are not asked.
    assert [line[0] for line in lines] == ["cph_q0", "cph_q1", "cph_q2", "cph_q3", "sf_q0"]
    assert [line[1] for line in lines] == ["cph_d0", "cph_d1", "cph_d0", "cph_d3", "sf_d0"]
    assert all(sorted(line[1:]) == ["cph_d0", "cph_d1", "cph_d2", "cph_d3", "sf_d0"] for line in lines)


def test_a_row_for_each_query(extractor: Extractor, tmp_path: Path) -> None:
    frame_pairs(tmp_path, "SPEDTEST", "ref", "query")
    write_per_query(run(benchmark("sped").open(tmp_path), extractor, tmp_path), tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["best"] for row in rows] == ["0000000.jpg", "0000001.jpg", "0000000.jpg", "0000003.jpg"]
    assert [row["right"] for row in rows] == ["1", "1", "0", "1"]
    assert rows[0]["first_right"] == "1"
    assert int(rows[2]["first_right"]) > 1
    assert {row["positives"] for row in rows} == {"1"}


def remove(*paths: str) -> Callable[[Path], None]:
    return lambda root: [(root / path).unlink() for path in paths][0]  # noqa: RUF015


def replace(path: str, content: bytes) -> Callable[[Path], None]:
    return lambda root: (root / path).write_bytes(content) and None


LISTS = ("pitts30k_test", at(npy_lists, "Pittsburgh", "Pittsburgh", "pitts30k_test"))
TREE = ("msls_val", msls_tree)
UTM = ("tokyo247", at(utm_folders, "tokyo247/images/test/database", "tokyo247/images/test/queries"))
PAIRS = ("sped", at(frame_pairs, "SPEDTEST", "ref", "query"))
STEM = "Pittsburgh/pitts30k_test"
CPH, SF = "msls/train_val/cph/query", "msls/train_val/sf/query"


def truth(*rows: list[int]) -> Callable[[Path], None]:
    return lambda root: write_rows(root / f"{STEM}_gt.npy", rows)


def rename(path: str, name: str) -> Callable[[Path], None]:
    return lambda root: (root / path).rename((root / path).with_name(name)) and None


def unnamed_query(root: Path) -> None:
    write_picture(root / "tokyo247/images/test/queries/0.jpg", 0)


@pytest.mark.parametrize(
    ("layout", "damage", "words"),
    [
        (LISTS, remove(f"{STEM}_gt.npy"), ("pitts30k_test_gt.npy", "datasets check")),
        (LISTS, replace(f"{STEM}_gt.npy", b"no array"), ("pitts30k_test_gt.npy", "fetch it again")),
        (LISTS, replace(f"{STEM}_dbImages.npy", b"x"), ("pitts30k_test_dbImages.npy", "fetch it again")),
        (LISTS, truth([0], [1], [2], [4]), ("entry 3", "list of 4")),
        (LISTS, truth([0], [1]), ("4 queries", "ground truth for 2")),
        (TREE, remove(f"{SF}/seq_info.csv"), ("msls/train_val/sf/query/seq_info.csv", "datasets check")),
        (TREE, replace(f"{CPH}/raw.csv", b"key\na\n"), ("raw.csv", "no column pano")),
        (TREE, replace(f"{CPH}/subtask_index.csv", b"all\nTrue\n"), ("subtask_index.csv", "1 rows", "have 6")),
        (TREE, replace(f"{SF}/postprocessed.csv", b"easting,northing\nx,2\n"), ("postprocessed.csv", "is 'x'")),
        (TREE, replace(f"{SF}/postprocessed.csv", b"\xff\xfe"), ("postprocessed.csv", "UTF-8")),
        (UTM, unnamed_query, ("0.jpg", "@utm_east@utm_north@")),
        (PAIRS, remove("SPEDTEST/ref/0000003.jpg"), ("3 database images and 4 queries", "unpack")),
        (PAIRS, rename("SPEDTEST/ref/0000003.jpg", "0000004.jpg"), ("0000003.jpg", "no partner")),
    ],
)
def test_damage_gives_a_sentence_with_file_and_cure(layout, damage, words: tuple[str, ...], tmp_path: Path) -> None:
    name, write = layout
    write(tmp_path)
    damage(tmp_path)
    with pytest.raises(DatasetError) as caught:
        benchmark(name).open(tmp_path)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_check_names_missing_images(tmp_path: Path) -> None:
    npy_lists(tmp_path, "Pittsburgh", "Pittsburgh", "pitts30k_test")
    (tmp_path / "Pittsburgh/queries_real/002.jpg").unlink()
    found = inspect(benchmark("pitts30k_test"), tmp_path)
    assert not found.complete
    assert list(found.missing) == [str(tmp_path / "Pittsburgh/queries_real/002.jpg")]


class _Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("ran",)


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    entries = np.empty(1, object)
    entries[0] = _Runs()
    np.save("evil.npy", entries, allow_pickle=True)
    with pytest.raises(DatasetError, match="which row numbers do not need"):
        read_row_lists(Path("evil.npy"))
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([np.array([3, 1]), np.array([], np.int64)], [[3, 1], []]),
        ([[3, 1], [70_000]], [[3, 1], [70_000]]),
        ([np.array([3], np.int32), [np.int64(2**40)]], [[3], [2**40]]),
        ([np.array([3], ">i8"), np.array([2**15], np.uint16)], [[3], [2**15]]),
    ],
)
def test_object_arrays_are_read_without_unpickling(entries: list, expected: list, tmp_path: Path) -> None:
    array = np.empty(len(entries), object)
    for number, entry in enumerate(entries):
        array[number] = entry
    np.save(tmp_path / "gt.npy", array, allow_pickle=True)
    assert [row.tolist() for row in read_row_lists(tmp_path / "gt.npy")] == expected


@pytest.mark.parametrize("content", [["a"], [1.5], [[[1]]], [np.array([0.5])], [None], [{}]])
def test_object_arrays_of_other_things_are_refused(content: list, tmp_path: Path) -> None:
    array = np.empty(len(content), object)
    for number, entry in enumerate(content):
        array[number] = entry
    np.save(tmp_path / "gt.npy", array, allow_pickle=True)
    with pytest.raises(DatasetError, match="row numbers"):
        read_row_lists(tmp_path / "gt.npy")


def test_radius_truth_agrees_with_all_pairs() -> None:
    rng = np.random.default_rng(4)
    queries, database = rng.uniform(0, 100, (20, 2)) + 4e6, rng.uniform(0, 100, (90, 2)) + 4e6
    ours, theirs = rng.uniform(-4, 4, 20), rng.uniform(-4, 4, 90)
    truth = RadiusTruth(queries, database, 25.0, (ours, theirs), 60.0)
    for number in range(20):
        near = np.linalg.norm(database - queries[number], axis=1) <= 25
        turned = np.cos(theirs - ours[number]) >= np.cos(np.radians(60))
        assert truth[number].tolist() == np.flatnonzero(near & turned).tolist()
    assert truth[-1].tolist() == truth[19].tolist()
    with pytest.raises(IndexError):
        truth[20]


def test_a_point_on_the_circle_is_right() -> None:
    assert RadiusTruth(np.zeros((1, 2)), np.array([[15.0, 20.0], [15.0, 20.1]]), 25.0)[0].tolist() == [0]


def test_frame_truth_stops_at_the_ends() -> None:
    truth = FrameTruth(4, 31, 1, every=10)
    assert [rows.tolist() for rows in truth] == [[0, 1], [9, 10, 11], [19, 20, 21], [29, 30]]


def own(tmp_path: Path, truth: Path | None, **options: float):
    return open_folders(
        tmp_path / "map", tmp_path / "new", truth, name="own", **{"metres": 25.0, "degrees": 45.0, **options}
    )


@pytest.fixture
def two_folders(tmp_path: Path) -> Path:
    for place in range(4):
        write_picture(tmp_path / "map" / f"m{place}.png", place)
    for number, look in enumerate((0, 1, 0, 3)):
        write_picture(tmp_path / "new" / f"n{number}.jpg", look)
    return tmp_path


POSITIONS = "image,x_m,y_m\nm0.png,0,0\nm1.png,100,0\nm2.png,200,0\nm3.png,300,0\n" + "".join(
    f"n{number}.jpg,{x},0\n" for number, x in enumerate((5, 105, 205, 900))
)


@pytest.mark.parametrize(
    ("name", "content"),
    [("positions.csv", POSITIONS), ("pairs.csv", "query,database\nn0.jpg,m0.png\nn1.jpg,m1.png\nn2.jpg,m2.png\n")],
)
def test_own_folders_with_a_csv(name: str, content: str, two_folders: Path, extractor: Extractor) -> None:
    (two_folders / name).write_text(content)
    outcome = run(own(two_folders, two_folders / name), extractor, two_folders)
    assert (outcome.recall.at(1), outcome.recall.at(5)) == (0.5, 0.75)


def test_own_folders_with_an_array(two_folders: Path, extractor: Extractor) -> None:
    write_rows(two_folders / "gt.npy", [[0], [1], [2], []])
    outcome = run(own(two_folders, two_folders / "gt.npy"), extractor, two_folders)
    assert (outcome.recall.at(1), outcome.recall.at(5)) == (0.5, 0.75)


def test_headings_count_where_they_are_known(two_folders: Path) -> None:
    rows = [
        line + (",yaw" if number == 0 else ",3.0" if number == 5 else ",0")
        for number, line in enumerate(POSITIONS.splitlines())
    ]
    (two_folders / "p.csv").write_text("\n".join(rows))
    assert [rows.tolist() for rows in own(two_folders, two_folders / "p.csv").truth] == [[], [1], [2], []]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("image,x,y\nm0.png,0,0\n", "no row for n0.jpg"),
        ("image,x,y\nm0.png,0,zero\n", "must be numbers"),
        ("image,lat\nm0.png,0\n", "positions need image, x and y"),
        ("query,database\nn0.jpg,m9.png\n", "line 2: there is no image m9.png"),
    ],
)
def test_own_ground_truth_that_does_not_fit_is_refused(content: str, words: str, two_folders: Path) -> None:
    (two_folders / "t.csv").write_text(content)
    with pytest.raises(DatasetError, match=words):
        own(two_folders, two_folders / "t.csv")


def test_own_arrays_that_do_not_fit_are_refused(two_folders: Path) -> None:
    write_rows(two_folders / "gt.npy", [[0], [1]])
    with pytest.raises(DatasetError, match="for 2 queries"):
        own(two_folders, two_folders / "gt.npy")


def test_a_list_of_images_beside_a_folder_is_believed(two_folders: Path) -> None:
    from a2gc_ros.evaluation.images import find_images

    (two_folders / "map_images_paths.txt").write_text("m2.png\nm0.png\n")
    assert find_images(two_folders / "map", "map").names == ["m2.png", "m0.png"]


def test_listed_truth_is_sorted_and_unique() -> None:
    assert ListedTruth([np.array([3, 1, 3])])[0].tolist() == [1, 3]


def test_damaged_images_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff broken")
    with pytest.raises(DatasetError, match=r"a\.jpg"):
        list(FileImages("set", tmp_path, ["a.jpg"]).read(np.array([0])))
