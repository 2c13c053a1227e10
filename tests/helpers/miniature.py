"""Published layouts with a handful of pictures, and what recall they must give.

Four places stand 100 m apart. Of four queries the first two show their own place; the third stands at the third place
but looks like the first, so its right answer is not the nearest; the fourth stands where no database image is. Hence
R@1 is 2/4 and, since the database has four images, R@5 is 3/4. Where images correspond one to one, the fourth query
shows the fourth place and has its right answer: R@1 is 3/4 and R@5 is 1.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

LOOKS = (0, 1, 0, 3)
"""Which place each query looks like."""

STANDS = (0, 1, 2, 50)
"""At which place each query stands."""


def write_picture(path: Path, place: int) -> None:
    """A picture of a place; every ending gives a slightly different one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(place).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = cv2.resize(blocks, (64, 48), interpolation=cv2.INTER_NEAREST)
    assert cv2.imwrite(str(path), picture)


def write_rows(path: Path, rows: Sequence[Sequence[int]]) -> None:
    """Ground truth as the GSV-Cities line saves it: an array of arrays, which NumPy pickles."""
    entries = np.empty(len(rows), object)
    for number, row in enumerate(rows):
        entries[number] = np.array(row, np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, entries, allow_pickle=True)


def utm_folders(root: Path, database: str, queries: str) -> None:
    """VPR-datasets-downloader's folders."""
    for place in range(4):
        write_picture(root / database / f"@{100.0 * place + 500_000}@4000000.00@17@T@@@p{place}@@@@@@@@.jpg", place)
    for number, (look, stand) in enumerate(zip(LOOKS, STANDS, strict=True)):
        write_picture(root / queries / f"@{100.0 * stand + 500_003}@4000004.00@17@T@@@q{number}@@@@@@@@.jpg", look)


def paired_utm_folders(root: Path, database: str, queries: str) -> None:
    """The same with made-up positions, 1 km from pair to pair."""
    for place in range(4):
        name = f"@0@{1000 * place}@@@@@{place}@@@@@@@@.jpg"
        write_picture(root / database / name, place)
        write_picture(root / queries / name, LOOKS[place])


def npy_lists(
    root: Path,
    lists: str,
    images: str,
    stem: str,
    *,
    paired: bool = False,
    endings: tuple[str, str, str] = ("dbImages", "qImages", "gt"),
) -> None:
    """GSV-Cities' lists, and with other endings OpenVPRLab's."""
    folder = root / lists
    folder.mkdir(parents=True)
    names = ([f"000/00000{i}_pitch1_yaw1.jpg" for i in range(4)], [f"queries_real/00{i}.jpg" for i in range(4)])
    for place in range(4):
        write_picture(root / images / names[0][place], place)
        write_picture(root / images / names[1][place], LOOKS[place])
    database, queries, truth = (folder / f"{stem}_{ending}.npy" for ending in endings)
    np.save(database, np.array(names[0]))
    np.save(queries, np.array(names[1]))
    if paired:
        np.save(truth, np.arange(4)[:, None])
    else:
        write_rows(truth, [[0], [1], [2], []])


def msls_lists(root: Path) -> None:
    """The MSLS lists, which name five queries and let four count."""
    names = [f"train_val/cph/database/images/d{i}.jpg" for i in range(4)]
    asked = [f"train_val/cph/query/images/q{i}.jpg" for i in range(5)]
    for place, name in enumerate(names):
        write_picture(root / "msls_val" / name, place)
    for number, name in enumerate(asked):
        write_picture(root / "msls_val" / name, (LOOKS[0], 2, *LOOKS[1:])[number])
    folder = root / "datasets/msls_val"
    folder.mkdir(parents=True)
    np.save(folder / "msls_val_dbImages.npy", np.array(names))
    np.save(folder / "msls_val_qImages.npy", np.array(asked))
    np.save(folder / "msls_val_qIdx.npy", np.array([0, 2, 3, 4]))
    write_rows(folder / "msls_val_pIdx.npy", [[0], [1], [2], []])


def msls_tree(root: Path, split: str = "train_val", cities: Sequence[str] = ("cph", "sf")) -> None:
    """Mapillary's tables: in the first city the four queries, a panorama and one outside the subtask; else one pair."""
    looks = [*LOOKS, 1, 1]
    stands = [*STANDS, 1, 1]
    for number, city in enumerate(cities):
        first = number == 0
        for side, places in (("database", range(4)), ("query", range(6))):
            rows = list(places) if first else [0]
            folder = root / "msls" / split / city / side
            keys = [f"{city}_{side[0]}{row}" for row in rows]
            for row, key in zip(rows, keys, strict=True):
                look = row if side == "database" else looks[row]
                write_picture(folder / "images" / f"{key}.jpg", look if first else 10 + number)
            shift = 0.0 if side == "database" else 4.0
            east = [100.0 * (row if side == "database" else stands[row]) + shift for row in rows]
            _table(
                folder / "seq_info.csv",
                ["", "key", "sequence_key", "frame_number"],
                [[row, key, f"s{row // 2}", row] for row, key in zip(rows, keys, strict=True)],
            )
            _table(
                folder / "postprocessed.csv",
                ["", "key", "easting", "northing", "night", "view_direction"],
                [[row, key, x, 7.0, False, "Forward"] for row, key, x in zip(rows, keys, east, strict=True)],
            )
            _table(folder / "subtask_index.csv", ["", "all", "d2n"], [[row, row != 5, False] for row in rows])
            if split == "train_val":
                _table(
                    folder / "raw.csv",
                    ["", "key", "lon", "lat", "ca", "captured_at", "pano"],
                    [[row, key, 0, 0, 0, "2019-01-01", row == 4] for row, key in zip(rows, keys, strict=True)],
                )


def frame_pairs(
    root: Path, folder: str, database: str, queries: str, *, suffixes: tuple[str, str] = ("jpg", "jpg")
) -> None:
    """Two folders that correspond by name."""
    for place in range(4):
        write_picture(root / folder / database / f"{place:07d}.{suffixes[0]}", place)
        write_picture(root / folder / queries / f"{place:07d}.{suffixes[1]}", LOOKS[place])


NORDLAND_FRAMES = 31


def nordland(root: Path, database: str, queries: str, shown: Sequence[int]) -> None:
    """A drive of 31 frames, and queries that show some of them."""
    for frame in range(NORDLAND_FRAMES):
        write_picture(root / database / f"image-{frame}.jpg", frame)
    for number, frame in enumerate(shown):
        write_picture(root / queries / f"image-{number}.jpg", frame)


SHIFTED = (10, 12, *range(2, NORDLAND_FRAMES))
"""Query 0 shows frame 10 and query 1 frame 12, all others their own."""


def _table(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


_TEST_CITIES = ("miami", "athens", "buenosaires", "stockholm", "bengaluru", "kampala")

Writer = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A protocol in a layout, and what must come out.

    Attributes:
        name: The protocol.
        layout: The layout, for the test's name.
        write: Writes it below a root.
        asked: Queries that count.
        answerable: Of these, how many have a right image.
        at_1: R@1.
        at_5: R@5, where it does not hang on chance.
    """

    name: str
    layout: str
    write: Writer
    asked: int = 4
    answerable: int = 4
    at_1: float = 0.75
    at_5: float | None = 1.0


def at(write: Callable[..., None], *where: Any, **options: Any) -> Writer:
    """A writer with everything but the root."""
    return lambda root: write(root, *where, **options)


def _positioned(name: str, database: str, queries: str) -> Case:
    return Case(name, "folders", at(utm_folders, database, queries), 4, 3, 0.5, 0.75)


def _listed(name: str) -> Case:
    return Case(name, "lists", at(npy_lists, "datasets/Pittsburgh", "Pittsburgh", name), 4, 3, 0.5, 0.75)


def _of_openvprlab(name: str, endings: tuple[str, str, str] = ("dbImages", "qImages", "gt_25m")) -> Case:
    folder = f"data/val/{name.replace('_', '-')}"
    return Case(name, "OpenVPRLab", at(npy_lists, folder, folder, name, endings=endings), 4, 3, 0.5, 0.75)


AMSTERTIME = "amstertime/images/test"

CASES = [
    _positioned("pitts30k_val", "pitts30k/images/val/database", "pitts30k/images/val/queries"),
    _positioned("pitts30k_test", "pitts30k/images/test/database", "pitts30k/images/test/queries"),
    _positioned("pitts250k_test", "pitts250k/images/test/database", "pitts250k/images/test/queries"),
    _positioned("tokyo247", "tokyo247/images/test/database", "tokyo247/images/test/queries"),
    _positioned("st_lucia", "st_lucia/images/test/database", "st_lucia/images/test/queries"),
    _positioned("st_lucia", "st_lucia/images/test/gallery", "st_lucia/images/test/queries"),
    _positioned("msls_val_long", "msls/val/database", "msls/val/queries"),
    _positioned("sf_xl_v1", "sf_xl/processed/test/database", "sf_xl/processed/test/queries_v1"),
    _positioned("sf_xl_v2", "sf_xl/processed/test/database", "sf_xl/processed/test/queries_v2"),
    _listed("pitts30k_val"),
    _listed("pitts30k_test"),
    _listed("pitts250k_test"),
    _of_openvprlab("pitts30k_val"),
    _of_openvprlab("pitts30k_test"),
    _of_openvprlab("pitts250k_test"),
    _of_openvprlab("msls_val", ("ref_image_names", "query_image_names", "ground_truth_25m")),
    Case("msls_val", "lists", msls_lists, 4, 3, 0.5, 0.75),
    # In the tree, one query of the second city is right as well, and the one without a right image does not count.
    Case("msls_val", "tree", msls_tree, 4, 4, 0.75, 1.0),
    Case("msls_test", "tree", at(msls_tree, "test", _TEST_CITIES), 9, 9, 8 / 9, None),
    # The long form asks the query outside the subtask as well, and keeps the one without a right image.
    Case("msls_val_long", "tree", msls_tree, 6, 5, 4 / 6, 5 / 6),
    Case("sped", "lists", at(npy_lists, "SPED", "SPEDTEST", "SPED", paired=True)),
    Case("sped", "pairs", at(frame_pairs, "SPEDTEST", "ref", "query")),
    Case("sped", "folders", at(paired_utm_folders, "sped/images/test/database", "sped/images/test/queries")),
    Case("essex3in1", "lists", at(npy_lists, "datasets/ESSEX", "ESSEX3IN1_dataset", "ESSEX", paired=True)),
    Case("essex3in1", "pairs", at(frame_pairs, "ESSEX3IN1_dataset", "ref", "query")),
    Case(
        "amstertime",
        "folders",
        at(paired_utm_folders, "amstertime/images/test/database", "amstertime/images/test/queries"),
    ),
    Case("amstertime", "pairs", at(frame_pairs, "amstertime", "new", "old", suffixes=("png", "jpg"))),
    # Queries 0 to 3 stand at frames 0, 10, 20, 30 and show 0, 11, 22, 30.
    Case("nordland_vprbench_1f", "pairs", at(nordland, "Nordland/ref", "Nordland/query", (0, 11, 22, 30)), at_5=None),
    Case("nordland_1f", "pairs", at(nordland, "nordland/summer", "nordland/winter", SHIFTED), 31, 31, 29 / 31, None),
    Case("nordland_10f", "pairs", at(nordland, "nordland/summer", "nordland/winter", SHIFTED), 31, 31, 30 / 31, None),
]
