"""Readers of files: any folder of places, a CSV, GSV-Cities."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from a2gc_training.data.benchmarks import BenchmarkSource, load_benchmark
from a2gc_training.data.places import ImagesDataset, PlacesDataset, collate_images, load_places
from a2gc_training.data.rules import CloseInSpace, CloseInTime
from a2gc_training.data.sources import CsvSource, FolderSource, GeneratedSource, GsvCitiesSource, load_table
from a2gc_training.data.validation import Protocol, build_task, refuse_shared_images
from a2gc_training.recipe import ValidationSection

from a2gc_ros.errors import A2gcError, ConfigError, DatasetError
from a2gc_ros.images.preprocess import Preprocessing

COLUMNS = ["place_id", "year", "month", "northdeg", "city_id", "lat", "lon", "panoid"]

# A city's folder and the prefix of its images may differ, coordinates are rounded differently, suffixes vary, panorama
# ids hold underscores and bearings exceed a circle.
# ruff: noqa: E501
PARIS = [
    ([3, 2015, 5, 584, "PRS", 48.7973, 2.2315, "7P0FnGV3k4Fmtw66b8_-Gg"], "PRS_0000003_2015_05_584_48.79733778544615_2.231461206488333_7P0FnGV3k4Fmtw66b8_-Gg.JPG"),
    ([3, 2018, 5, 406, "PRS", 48.7973, 2.2314, "R2vU9_k2liv"], "PRS_0000003_2018_05_406_48.79731397404108_2.231417994064803_R2vU9_k2liv.jpg"),
    ([12345, 2018, 11, 7, "PRS", 48.8, 2.3, "_x_"], "PRS_0012345_2018_11_007_48.8_2.3__x_.jpg"),
]  # fmt: skip
BOSTON = [([3, 2011, 1, 90, "Boston", 42.4, -71.1, "b"], "Boston_0000003_2011_01_090_42.4_-71.1_b.jpg")]


@pytest.fixture
def gsv_cities(tmp_path: Path, write_image: Any) -> Path:
    root = tmp_path / "gsv"
    (root / "Dataframes").mkdir(parents=True)
    for city, rows in (("Paris", PARIS), ("Boston", BOSTON)):
        with (root / "Dataframes" / f"{city}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *(row for row, _ in rows)])
        for number, (_, name) in enumerate(rows):
            write_image(root / "Images" / city / "x.jpg", number)
            (root / "Images" / city / "x.jpg").rename(root / "Images" / city / name)
    return root


def test_gsv_cities_finds_its_images(gsv_cities: Path) -> None:
    source = GsvCitiesSource(root=str(gsv_cities))
    table = load_table(source)
    assert table.images == [f"Images/Boston/{BOSTON[0][1]}", *(f"Images/Paris/{name}" for _, name in PARIS)]
    assert table.column("city").tolist() == ["Boston", "Paris", "Paris", "Paris"]
    # Place 3 of Paris is another than place 3 of Boston.
    assert [rows.tolist() for rows in source.same.places(table).members] == [[0], [1, 2], [3]]
    assert table.read(2).shape == (24, 32, 3)
    assert len(load_table(GsvCitiesSource(root=str(gsv_cities), cities=("Paris",)))) == 3
    assert len(load_table(GsvCitiesSource(root=str(gsv_cities), without={"year": (2018,)}))) == 2


@pytest.mark.parametrize("folder", ["GSVCities", "data/GSV-Cities", "data/train/gsv-cities", "datasets/gsv_cities"])
def test_gsv_cities_is_found_below_a_folder_of_data_sets(folder: str, gsv_cities: Path, tmp_path: Path) -> None:
    (tmp_path / "root" / folder).parent.mkdir(parents=True)
    gsv_cities.rename(tmp_path / "root" / folder)
    assert len(load_table(GsvCitiesSource(root=str(tmp_path / "root")))) == 4


def test_a_benchmark_is_asked_by_its_own_protocol(tmp_path: Path) -> None:
    from miniature import msls_tree

    msls_tree(tmp_path)
    table, task = load_benchmark(BenchmarkSource("msls_val", root=str(tmp_path)))
    # Five queries stand in the tables, one of them without a right image, which the official evaluation leaves out.
    assert (len(task.queries), len(task.database), len(table)) == (4, 5, 10)
    assert [rows.tolist() for rows in task.positives] == [[0], [1], [2], [4]]
    assert "query" in table.images[task.queries[0]]
    assert "database" in table.images[task.database[0]]
    assert table.read(int(task.queries[0])).shape == (48, 64, 3)
    with pytest.raises(ConfigError, match="has its own protocol"):
        ValidationSection("msls", BenchmarkSource("msls_val"), Protocol(every=2))


def remove_image(root: Path) -> None:
    (root / "Images" / "Paris" / PARIS[2][1]).unlink()


def spoil_header(root: Path) -> None:
    table = root / "Dataframes" / "Paris.csv"
    table.write_text(table.read_text().replace("northdeg", "heading"))


def spoil_number(root: Path) -> None:
    table = root / "Dataframes" / "Paris.csv"
    table.write_text(table.read_text().replace("12345", "?"))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (remove_image, r"Paris\.csv, line 4, names the panorama '_x_' of place 12345, which is not in Images/Paris"),
        (spoil_header, r"Paris\.csv lacks the column 'northdeg'"),
        (spoil_number, r"Paris\.csv, line 4, is malformed"),
        (lambda root: (root / "Images" / "Boston").rename(root / "gone"), "images of Boston are missing"),
        (lambda root: (root / "Dataframes").rename(root / "tables"), "lacks the folder Dataframes"),
    ],
)
def test_a_damaged_gsv_cities_is_refused(gsv_cities: Path, damage: Any, sentence: str) -> None:
    damage(gsv_cities)
    with pytest.raises(DatasetError, match=sentence):
        load_table(GsvCitiesSource(root=str(gsv_cities)))


def test_an_unknown_city_is_refused_with_those_there_are(gsv_cities: Path) -> None:
    with pytest.raises(DatasetError, match="no city 'Rome'; Dataframes holds Boston, Paris"):
        load_table(GsvCitiesSource(root=str(gsv_cities), cities=("Rome",)))


def test_a_folder_per_place_at_any_depth(place_folders: Path) -> None:
    source = FolderSource(root=str(place_folders))
    table = load_table(source)
    assert [table.images[rows[0]] for rows in source.same.places(table).members] == [
        "north/hall/0.png",
        "north/yard/0.png",
        "south/hall/0.png",
    ]
    assert table.codes(["group"]).tolist() == [0] * 6 + [1] * 3


def test_only_and_without_choose_images(place_folders: Path) -> None:
    assert len(load_table(FolderSource(root=str(place_folders), only={"group": ("north",)}))) == 6
    assert len(load_table(FolderSource(root=str(place_folders), without={"place": ("north/hall",)}))) == 6
    with pytest.raises(ConfigError, match="has no group 'west'; there are north, south"):
        load_table(FolderSource(root=str(place_folders), only={"group": ("west",)}))
    with pytest.raises(DatasetError, match="no image left"):
        load_table(FolderSource(root=str(place_folders), without={"group": ("north", "south")}))


def test_a_csv_has_numbers_and_words(walk_csv: Path) -> None:
    table = load_table(CsvSource(file=str(walk_csv), same=CloseInTime(seconds=2)))
    assert table.column("x").dtype == np.float64
    assert table.column("session").tolist()[:1] == ["out"]
    assert len(load_table(CsvSource(file=str(walk_csv), only={"time": (3, 4)}))) == 4


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("file,place\na.png,1\n", "has no column 'path'; its header is file,place"),
        ("path,place\n", "has a header but no rows"),
        ("", "its header is empty"),
        ("path,place\nmissing.png,1\n", r"line 2, names 'missing\.png', which is not in"),
        ("path,place\na.png\n", "line 2 has 1 cells where the header has 2"),
    ],
)
def test_a_damaged_csv_is_refused(tmp_path: Path, write_image: Any, content: str, sentence: str) -> None:
    write_image(tmp_path / "a.png", 0)
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(DatasetError, match=sentence):
        load_table(CsvSource(file=str(tmp_path / "list.csv")))


def test_folders_without_places_are_refused(tmp_path: Path, write_image: Any) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        load_table(FolderSource(root=str(tmp_path / "none")))
    with pytest.raises(DatasetError, match="holds no image"):
        load_table(FolderSource(root=str(tmp_path)))
    write_image(tmp_path / "stray.png", 0)
    with pytest.raises(DatasetError, match=r"stray\.png lies in no place's folder"):
        load_table(FolderSource(root=str(tmp_path)))


def test_paths_may_hold_variables(place_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PLACES", str(place_folders))
    assert len(load_table(FolderSource(root="$MY_PLACES"))) == 9
    monkeypatch.delenv("MY_PLACES")
    with pytest.raises(DatasetError, match="environment variable MY_PLACES, which is not set"):
        load_table(FolderSource(root="${MY_PLACES}/town"))


def test_sources_are_numbered_through(place_folders: Path) -> None:
    rooms = GeneratedSource(places=3, views=2, height=20, width=30)
    data = load_places([FolderSource(root=str(place_folders)), rooms], Preprocessing(height=16, width=24))
    assert [len(rows) for rows in data.places.members] == [3, 3, 3, 2, 2, 2]
    batch = data[[(8, 2), (9, 3), (14, 5)]]
    assert batch["images"].shape == (3, 16, 24, 3)
    assert batch["places"].tolist() == [2, 3, 5]
    assert np.array_equal(batch["images"][1], data.images[9][0])
    # The folders have groups; the rooms, without that column, are one group of their own.
    assert data.groups("group").tolist() == [0, 0, 1, 2, 2, 2]


def test_kept_images_are_read_once(place_folders: Path) -> None:
    size = Preprocessing(height=16, width=24)
    table = load_table(FolderSource(root=str(place_folders)))
    kept, fresh = ImagesDataset(table, size, keep=True), ImagesDataset(table, size)
    first, _ = kept[3]
    assert np.array_equal(first, fresh[3][0])
    (place_folders / table.images[3]).unlink()
    assert np.array_equal(kept[3][0], first)
    with pytest.raises(DatasetError):
        fresh[3]


def test_a_broken_image_is_named(place_folders: Path) -> None:
    broken = place_folders / "north" / "yard" / "1.png"
    broken.write_bytes(broken.read_bytes()[:40])
    data = load_places([FolderSource(root=str(place_folders))], Preprocessing(height=16, width=24))
    with pytest.raises(DatasetError, match=r"yard/1\.png"):
        data.images[4]


def test_validation_images_come_in_order(place_folders: Path) -> None:
    images = ImagesDataset(load_table(FolderSource(root=str(place_folders))), Preprocessing(height=16, width=24))
    batch = collate_images([images[4], images[5]])
    assert batch["rows"].tolist() == [4, 5]
    assert batch["images"].shape == (2, 16, 24, 3)


def naive_task(rows: list[dict[str, Any]], protocol: str) -> list[tuple[int, list[int]]]:
    return [
        (
            one,
            [
                other
                for other, there in enumerate(rows)
                if other != one
                and (protocol != "other clips" or there["session"] != here["session"])
                and (there["session"] != here["session"] or abs(there["time"] - here["time"]) > 1)
                and np.hypot(there["x"] - here["x"], there["y"] - here["y"]) <= 1
            ],
        )
        for one, here in enumerate(rows)
    ]


@pytest.mark.parametrize("protocol", ["all clips", "other clips"])
def test_a_task_is_what_the_protocol_says(walk_csv: Path, protocol: str) -> None:
    table = load_table(CsvSource(file=str(walk_csv)))
    task = build_task(
        table,
        Protocol(
            same=CloseInSpace(metres=1),
            ignore_near=CloseInTime(seconds=1),
            ignore_same=("session",) if protocol == "other clips" else (),
        ),
    )
    rows = [{name: table.columns[name][row] for name in table.columns} for row in range(len(table))]
    assert [(int(q), p.tolist()) for q, p in zip(task.queries, task.positives, strict=True)] == naive_task(
        rows, protocol
    )
    for query, left_out in zip(task.queries, task.ignored, strict=True):
        assert query in left_out


def test_queries_can_be_named_and_thinned(walk_csv: Path) -> None:
    table = load_table(CsvSource(file=str(walk_csv)))
    task = build_task(table, Protocol(same=CloseInSpace(metres=1), queries={"session": ("back",)}, every=3))
    assert task.queries.tolist() == [10, 13, 16, 19]
    assert task.database.tolist() == list(range(10))
    # The back walk's first image stands where the way out ended.
    assert task.positives[0].tolist() == [8, 9]


def test_a_task_without_answers_is_refused(walk_csv: Path) -> None:
    table = load_table(CsvSource(file=str(walk_csv)))
    with pytest.raises(DatasetError, match="anything right to find"):
        build_task(table, Protocol(same=CloseInTime(seconds=1), ignore_same=("session",)))
    with pytest.raises(DatasetError, match="leaves no database image"):
        build_task(table, Protocol(queries={"session": ("out", "back")}, same=CloseInTime(seconds=1)))


def test_training_on_validation_images_is_refused(place_folders: Path) -> None:
    north = load_table(FolderSource(root=str(place_folders), only={"group": ("north",)}))
    south = load_table(FolderSource(root=str(place_folders), only={"group": ("south",)}))
    # The same files by another root and other names.
    inside = load_table(FolderSource(root=str(place_folders / "north"), only={"place": ("yard",)}))
    refuse_shared_images([north], [south])
    with pytest.raises(
        ConfigError, match=r"3 images of the validation set .* are trained on as well, yard/0\.png first"
    ):
        refuse_shared_images([north], [inside])


def test_no_source_is_refused() -> None:
    with pytest.raises(A2gcError, match="no table"):
        PlacesDataset([], Preprocessing(height=16, width=24))
