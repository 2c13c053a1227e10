"""How large may a map become? What a place map takes and finds at a thousand, ten thousand, ... a million keyframes.

    python benchmarks/scale.py FOLDER [--keyframes 1000 10000 100000] [--sessions 1000] [--images FOLDER ...]
                               [--against OTHER_CHECKOUT] [--out benchmarks/results/scale.md]

FOLDER is for the maps, 5 KB a keyframe; each is deleted when it was measured. Descriptors are those that the shipped
model gives of the demo recording, and of the images below the folders given with `--images`. More than these are made
of them: a row is a mixture of two of them (the first's share drawn from .5 to 1) and 0.7 times the difference of two
successive frames of one recording; a query is a row and such a difference once more. So rows and queries lie where the
model puts places, but a mixture is nobody's place: this tells how often the exact search's best is found, not how often
a place is. The last table asks the images themselves: every second one is in the map, the others are queries.

- open: the map and its index in a fresh process, from the file alone (first), and with the index that was kept (again).
- info, calibrate: what `a2gc map info` and `a2gc map calibrate` do, without starting Python.
- count: the number of keyframes, as the diagnostics ask for it every second.
- search: the ten nearest of one query, wall clock, and processor time of the median; found: the exact search's best.
- add: a keyframe stored durably and found by the next search; by the clock it waits for the disk.
- memory: resident after all this, and how much of it came with opening the map.

A session has a thousand keyframes, or more where `--sessions` would be passed. What the other checkout (`--against`)
does stands beside; both run in turn in processes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "maps/demo/town.mcap"
BLOCK = 1000
QUERIES = 300
ADDED = 40
NEAREST = 10
Rows = npt.NDArray[np.float32]


def unit(rows: Rows) -> Rows:
    """Returns rows of unit length."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


class Mixtures:
    """As many descriptors as are wanted, made of real ones; any block of them can be made again.

    Args:
        real: Descriptors, float32 (N, D), those of one recording in their order.
    """

    def __init__(self, real: Rows) -> None:
        self._real = real
        similar = np.einsum("nd,nd->n", real[1:], real[:-1])
        self._steps = np.flatnonzero(similar > 0.5)

    def block(self, number: int, count: int = BLOCK) -> Rows:
        """Returns the rows of one block."""
        rng = np.random.default_rng((1, number))
        first, second = rng.integers(len(self._real), size=(2, count))
        share = rng.uniform(0.5, 1, (count, 1)).astype(np.float32)
        mixed = share * self._real[first] + (1 - share) * self._real[second]
        return unit(mixed + np.float32(0.7) * self._differences(rng, count)).astype(np.float16).astype(np.float32)

    def again(self, rows: Rows) -> Rows:
        """Returns queries that are rows seen again."""
        return unit(rows + self._differences(np.random.default_rng(2), len(rows)))

    def _differences(self, rng: np.random.Generator, count: int) -> Rows:
        at = rng.choice(self._steps, count)
        signs = rng.choice([-1, 1], (count, 1)).astype(np.float32)
        return np.asarray(signs * (self._real[at + 1] - self._real[at]), dtype=np.float32)


def described(folders: list[Path], out: Path) -> None:
    """Describes the demo recording and images with the shipped model."""
    import cv2

    from a2gc_ros.bags import open_recording
    from a2gc_ros.extract import open_extractor

    extractor = open_extractor("a2gc-efficientnet-lite0", threads=1)

    def images() -> Iterator[Any]:
        with open_recording(RECORDING) as recording:
            for frame in recording.frames():
                yield frame.image
        for folder in folders:
            for path in sorted(p for p in folder.rglob("*") if p.suffix in (".jpg", ".png")):
                yield cv2.cvtColor(np.asarray(cv2.imread(str(path))), cv2.COLOR_BGR2RGB)

    np.save(out, np.stack([extractor.extract([image])[0] for image in images()]))


def write_map(path: Path, mixtures: Mixtures, keyframes: int, sessions: int) -> None:
    """Writes a map of sessions that drive, each, along a way of its own, a metre from keyframe to keyframe."""
    from a2gc_ros.placemap import Manifest, NewKeyframe, PlaceMap

    dim = mixtures.block(0, 1).shape[1]
    length = -(-keyframes // sessions)
    with PlaceMap.create(path, Manifest("f" * 64, dim, "mixtures")) as place_map:
        session = place_map.add_session("0")
        for number in range(-(-keyframes // BLOCK)):
            rows = mixtures.block(number)[: keyframes - number * BLOCK]
            batch: list[NewKeyframe] = []
            for at, row in enumerate(rows, number * BLOCK):
                if at and at % length == 0:
                    place_map.add_many(session.id, batch)
                    batch, session = [], place_map.add_session(str(at // length))
                pose = np.eye(4)
                pose[0, 3] = at % length
                # By position: older checkouts have another name for the way.
                batch.append(NewKeyframe(at * 10**9, row, pose, float(at % length)))
            place_map.add_many(session.id, batch)


def exact_best(mixtures: Mixtures, keyframes: int, queries: Rows) -> npt.NDArray[np.int64]:
    """Returns the id of the most similar keyframe of each query, by comparing all."""
    best, ids = np.full(len(queries), -2, np.float32), np.zeros(len(queries), np.int64)
    for number in range(-(-keyframes // BLOCK)):
        similar = queries @ mixtures.block(number)[: keyframes - number * BLOCK].T
        at = similar.argmax(axis=1)
        value = similar[np.arange(len(queries)), at]
        ids = np.where(value > best, number * BLOCK + at + 1, ids)
        best = np.maximum(best, value)
    return ids


def resident_mb() -> float:
    """Returns this process's resident memory, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Returns the seconds by the clock and of the processor that some work takes, and what it gives."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - processor, result


def opened(path: Path) -> dict[str, float]:
    """Opens a map with its index, in this fresh process."""
    from a2gc_ros.placemap import PlaceMap

    before = resident_mb()
    with PlaceMap.open(path, read_only=True) as place_map:
        seconds, _, _ = timed(place_map.prepare)
        return {"open_s": seconds, "mb": resident_mb() - before}


def summary_of() -> Callable[[Any], dict[str, Any]]:
    """Returns what `a2gc map info` prints of a map, in whatever checkout this is."""
    try:
        return import_module("a2gc_ros.cli.map.look").summary_of
    except ModuleNotFoundError:
        return import_module("a2gc_ros.cli.map")._summary


def measured(path: Path, mixtures: Mixtures, keyframes: int) -> dict[str, Any]:
    """Measures all that an open map does."""
    from a2gc_ros.loops.calibration import measure
    from a2gc_ros.placemap import PlaceMap

    summarize = summary_of()
    rows = np.random.default_rng(0).choice(keyframes, QUERIES, replace=keyframes < QUERIES)
    queries = mixtures.again(np.stack([mixtures.block(int(row) // BLOCK)[int(row) % BLOCK] for row in rows]))
    truth = exact_best(mixtures, keyframes, queries)
    out: dict[str, Any] = {"kb": path.stat().st_size / keyframes / 1e3}
    with PlaceMap.open(path, read_only=True) as place_map:
        place_map.prepare()
        out["info_s"] = timed(lambda: summarize(place_map))[0]
        out["count_ms"] = float(np.median([timed(lambda: len(place_map))[0] for _ in range(5)])) * 1e3
        searches = [timed(lambda query=query: place_map.search(query, NEAREST)) for query in queries]  # type: ignore[misc]
        wall, processor, found = zip(*searches, strict=True)
        out["search_ms"] = np.quantile(wall, [0.5, 0.99]).tolist()
        out["search_ms"] = [value * 1e3 for value in out["search_ms"]]
        out["search_cpu_ms"] = float(np.median(processor)) * 1e3
        firsts = np.array([ids[0, 0] for _, ids in found])
        out["found"] = float((firsts == truth).mean())
        if keyframes <= 100_000 or hasattr(place_map, "last_of"):
            wall_s, processor_s, impostors = timed(lambda: measure(place_map))
            out["calibrate_s"], out["calibrate_cpu_s"], out["samples"] = wall_s, processor_s, len(impostors)
    with PlaceMap.open(path) as place_map:
        place_map.prepare()
        session = place_map.sessions()[-1].id
        added = []
        for at, row in enumerate(mixtures.block(10**6, ADDED)):
            stored = timed(lambda at=at, row=row: place_map.add(session, 10**18 + at, row))  # type: ignore[misc]
            sought = timed(lambda row=row: place_map.search(row, 1))  # type: ignore[misc]
            assert sought[2][1][0, 0] == stored[2]
            added.append((stored[0] + sought[0], stored[1], sought[1]))
        out["add_ms"] = (np.median(added, axis=0) * 1e3).tolist()
    out["rss_mb"] = resident_mb()
    return out


def real_recall(real: Rows) -> dict[str, Any]:
    """Asks the compressed index for every second real descriptor among the others, by how similar the best one is."""
    from a2gc_ros.placemap import IndexOptions, Manifest, NewKeyframe, PlaceMap

    rows, queries = real[::2], real[1::2]
    best = (queries @ rows.astype(np.float16).astype(np.float32).T).max(axis=1)
    truth = (queries @ rows.astype(np.float16).astype(np.float32).T).argmax(axis=1)
    out: dict[str, Any] = {"keyframes": len(rows)}
    with PlaceMap.create(":memory:", Manifest("f" * 64, rows.shape[1]), options=IndexOptions(2)) as place_map:
        session = place_map.add_session("real")
        place_map.add_many(session.id, [NewKeyframe(at, row) for at, row in enumerate(rows)])
        found = place_map.search(queries, NEAREST)[1][:, 0] - 1
    for low, high in ((-1.0, 0.2), (0.2, 0.4), (0.4, 2.0)):
        some = (best >= low) & (best < high)
        out[f"{low:g}"] = [int(some.sum()), float((found[some] == truth[some]).mean()) if some.any() else 1.0]
    return out


def child(checkout: Path, cache: Path, *arguments: object) -> dict[str, Any]:
    """Runs one part in a process of its own, with the code of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, str(Path(__file__).resolve()), *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=checkout)
    return json.loads(done.stdout.splitlines()[-1])


def part(name: str, path: Path, keyframes: int, sessions: int, real: Path) -> None:
    """Does one part, and prints what was measured."""
    mixtures = Mixtures(np.load(real))
    if name == "write":
        outcome: dict[str, Any] = {"write_s": timed(lambda: write_map(path, mixtures, keyframes, sessions))[0]}
    elif name == "open":
        outcome = opened(path)
    elif name == "measure":
        outcome = measured(path, mixtures, keyframes)
    else:
        outcome = real_recall(np.load(real))
    print(json.dumps(outcome))


def run(checkout: Path, folder: Path, keyframes: int, sessions: int, real: Path) -> dict[str, Any]:
    """Measures one size with the code of one checkout."""
    place = folder / f"{checkout.name}-{keyframes}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    path, cache = place / "map.a2gc", place / "cache"
    try:
        common = (path, keyframes, min(sessions, -(-keyframes // 1000)), real)
        outcome = child(checkout, cache, "--part", "write", *common)
        outcome["first_s"] = child(checkout, cache, "--part", "open", *common)["open_s"]
        again = child(checkout, cache, "--part", "open", *common)
        outcome["again_s"], outcome["index_mb"] = again["open_s"], again["mb"]
        return {**outcome, **child(checkout, cache, "--part", "measure", *common)}
    finally:
        shutil.rmtree(place, ignore_errors=True)


LINES: dict[str, Callable[[dict[str, Any]], str]] = {
    "file, KB a keyframe": lambda o: f"{o['kb']:.2f}",
    "open first, s": lambda o: f"{o['first_s']:.2f}",
    "open again, s": lambda o: f"{o['again_s']:.2f}",
    "memory that the index takes, MB": lambda o: f"{o['index_mb']:.0f}",
    "memory in all, MB": lambda o: f"{o['rss_mb']:.0f}",
    "info, s": lambda o: f"{o['info_s']:.3f}",
    "calibrate, s (processor, samples)": lambda o: (
        f"{o['calibrate_s']:.1f} ({o['calibrate_cpu_s']:.1f}, {o['samples']})" if "samples" in o else "not run"
    ),
    "count, ms": lambda o: f"{o['count_ms']:.3f}",
    "search, ms: median (processor), 99 %": lambda o: (
        f"{o['search_ms'][0]:.2f} ({o['search_cpu_ms']:.2f}), {o['search_ms'][1]:.2f}"
    ),
    "found the exact best": lambda o: f"{o['found']:.3f}",
    "add and find, ms (processor: add, find)": lambda o: "{:.1f} ({:.2f}, {:.2f})".format(*o["add_ms"]),
}


def table(outcomes: dict[tuple[str, int], dict[str, Any]]) -> str:
    """Returns the outcomes by checkout and size, as Markdown."""
    keys = list(outcomes)
    heads = [f"{keyframes:,} {checkout}".strip() for checkout, keyframes in keys]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---|" * len(keys)]
    lines += [f"| {name} | " + " | ".join(show(outcomes[key]) for key in keys) + " |" for name, show in LINES.items()]
    return "\n".join(lines)


def main() -> None:
    """Measures all sizes and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keyframes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--images", type=Path, nargs="*", default=[])
    parser.add_argument("--against", type=Path)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    real = (arguments.folder / "real.npy").resolve()
    if not real.exists():
        described(arguments.images, real)
    outcomes: dict[tuple[str, int], dict[str, Any]] = {}
    checkouts = {"": ROOT, **({"before": arguments.against.resolve()} if arguments.against else {})}
    for keyframes in arguments.keyframes:
        for name, checkout in checkouts.items():
            outcomes[name, keyframes] = run(checkout, arguments.folder.resolve(), keyframes, arguments.sessions, real)
            print(name or "now", keyframes, json.dumps(outcomes[name, keyframes]), file=sys.stderr, flush=True)
    found = child(ROOT, arguments.folder.resolve() / "cache", "--part", "real", arguments.folder, 0, 0, real)
    text = table(outcomes) + f"\n\nReal descriptors, {found.pop('keyframes')} in the map:\n\n"
    text += "| cosine of the exact best | queries | found |\n|---|---|---|\n"
    for low, (count, share) in found.items():
        text += f"| from {low} | {count} | {share:.4f} |\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        part(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), Path(sys.argv[6]))
    else:
        main()
