"""Runs a node for a long time as a robot would, only worse: `make soak`.

A camera at 30 Hz and odometry at 50 Hz, while the node is deactivated and activated, cleaned up and configured, saves,
loads and unloads maps, and is killed and started again on its live map. Each round prints memory, the age of the
answers and what was lost; the run fails where a keyframe was lost, a process ended that was not killed, a service did
not answer, a callback failed, or a cleaned-up node grows steadily.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 231))
os.environ.update(RCUTILS_LOGGING_USE_STDOUT="1", RCUTILS_LOGGING_BUFFERED_STREAM="0", PYTHONUNBUFFERED="1")

from nav_msgs.msg import Odometry
from node_process import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, NodeProcess, new_namespace, own_memory_mb
from places import LOOP_PARAMETERS, PLACES, image_message, odometry_message, view
from ros_probe import Probe, wait_for
from sensor_msgs.msg import Image

from a2gc_msgs.srv import ListMaps, LoadMap, SaveMap, UnloadMap
from a2gc_ros.placemap import PlaceMap

CAMERA_HZ, ODOMETRY_HZ = 30.0, 50.0
SPEED_M_S = 1.0
MOST_GROWTH = 0.05
LEAST_ROUNDS = 2
"""In each third of a process's life before its memory is judged."""

KILL_EVERY = 6
"""Rounds."""


class Robot:
    """Drives round and round past the same places, in threads, whatever the node does.

    Args:
        probe: Publishes.
        node: Where to.
    """

    def __init__(self, probe: Probe, node: NodeProcess) -> None:
        self.images = 0
        self._end = threading.Event()
        self._begin_s = time.monotonic()
        self._views = [view(place, width=640, height=480) for place in range(PLACES)]
        self._image = probe.publisher(Image, node.topic("image"))
        self._odometry = probe.publisher(Odometry, node.topic("odom"))
        self._now_ns = probe.now_ns
        self._threads = [
            threading.Thread(target=self._repeat, args=(rate, step))
            for rate, step in ((CAMERA_HZ, self._see), (ODOMETRY_HZ, self._move))
        ]

    def __enter__(self) -> Robot:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, rate: float, step: Any) -> None:
        while not self._end.wait(1 / rate):
            step((time.monotonic() - self._begin_s) * SPEED_M_S)

    def _see(self, way_m: float) -> None:
        place, aside = divmod(way_m, 1.0)
        image = np.roll(self._views[int(place) % PLACES], int(aside * 20), axis=1)
        self._image.publish(image_message(image, self._now_ns()))
        self.images += 1

    def _move(self, way_m: float) -> None:
        self._odometry.publish(odometry_message(way_m, self._now_ns()))


class Soak:
    """One long run.

    Args:
        probe: The other side of the graph.
        folder: For maps, parameters and the log.
        model: Name or file.
    """

    def __init__(self, probe: Probe, folder: Path, model: str) -> None:
        self._probe = probe
        self._folder = folder
        self._parameters: dict[str, object] = {
            **LOOP_PARAMETERS,
            "model": model,
            "threads": 1,
            "map_directory": str(folder),
            "live_map": "live.a2gc",
            "diagnostics_period": 0.2,
            "autostart": False,
        }
        self.problems: list[str] = []
        self.kills = self.restored = 0
        self._clean_mb: list[float] = []
        self.node = self._start()

    def round(self, number: int, drive_s: float) -> str:
        """Drives, changes states, moves maps about; every so often kills. Returns a line about it."""
        with Robot(self._probe, self.node) as robot:
            answers = len(self.node.closures)
            ages = self._drive(drive_s)
            self._maps(number)
            for transition in (DEACTIVATE, ACTIVATE, DEACTIVATE, CLEANUP):
                self._change(transition)
            self._clean_mb.append(own_memory_mb(self.node.process.pid))
            for transition in (CONFIGURE, ACTIVATE):
                self._change(transition)
            self._drive(drive_s / 4)
            active_mb = own_memory_mb(self.node.process.pid)
            answered = len(self.node.closures) - answers
            clean_mb = self._clean_mb[-1]
            if failed := self.node.count("recognition", "failed callbacks"):
                last = self.node.value("recognition", "last failed callback")
                self.problems.append(f"{failed} callbacks failed: {last}")
            if number % KILL_EVERY == 0:
                self._kill()
        p50, p95 = np.percentile(ages, (50, 95)) if ages else (float("nan"),) * 2
        return (
            f"round {number}: {robot.images} images, {answered} answers, age p50 {p50:.0f} ms, p95 {p95:.0f} ms; "
            f"memory {active_mb:.0f} MB at work, {clean_mb:.0f} MB cleaned up; "
            f"{self.kills} kills, {self.restored} keyframes found again, {len(self.problems)} problems"
        )

    def finish(self) -> None:
        """Judges the memory and ends the node."""
        self._judge_memory()
        if self.node.stop() != 0:
            self.problems.append(f"the node ended with {self.node.process.returncode}")
        if "Traceback" in self.node.log:
            self.problems.append(f"a traceback in the log: {self.node.log[-2000:]}")

    def _start(self) -> NodeProcess:
        # Under a name of its own: for some seconds the middleware takes a killed process for alive.
        node = NodeProcess(self._probe, self._folder, self._parameters, new_namespace())
        self.node = node
        for transition in (CONFIGURE, ACTIVATE):
            self._change(transition)
        return node

    def _change(self, transition: int) -> None:
        if not self.node.change(transition):
            self.problems.append(f"transition {transition} was refused: {self.node.log[-300:]}")

    def _drive(self, seconds: float) -> list[float]:
        """Waits; returns the ages of the answers that came, in milliseconds, from stamp to arrival here."""
        ages, end = [], time.monotonic() + seconds
        seen = len(self.node.closures)
        while time.monotonic() < end:
            time.sleep(0.02)
            fresh, seen = self.node.closures[seen:], len(self.node.closures)
            now_ns = self._probe.now_ns()
            ages += [(now_ns - m.header.stamp.sec * 10**9 - m.header.stamp.nanosec) / 1e6 for m in fresh]
            if self.node.process.poll() is not None:
                raise SystemExit(f"the node ended by itself ({self.node.process.returncode}):\n{self.node.log[-3000:]}")
        if not ages:
            self.problems.append("no answer while driving")
        return ages

    def _maps(self, number: int) -> None:
        name = f"round_{number}.a2gc"
        for kind, service, fields in (
            (SaveMap, "save_map", {"path": name}),
            (LoadMap, "load_map", {"path": name}),
            (ListMaps, "list_maps", {}),
            (UnloadMap, "unload_map", {"path": name}),
        ):
            answer = self._probe.call(kind, f"{self.node.name}/{service}", kind.Request(**fields), timeout_s=60.0)
            if not answer.success:
                self.problems.append(f"{service}: {answer.message}")
        for path in self._folder.glob(f"{name}*"):
            path.unlink()

    def _kill(self) -> None:
        """Kills the node while it writes, counts what it had reported as kept, and starts it anew."""
        told = wait_for(lambda: self.node.value("map", "live map"), "the size of the live map")
        self.node.kill()
        self.kills += 1
        reported = int(told.rpartition(", ")[2].split()[0])
        with PlaceMap.open(self._folder / "live.a2gc", read_only=True) as place_map:
            kept = len(place_map)
        self.restored += kept
        if kept < reported:
            self.problems.append(f"{reported - kept} of {reported} keyframes were lost by kill -9")
        self._judge_memory()
        self._clean_mb.clear()
        self.node = self._start()

    def _judge_memory(self) -> None:
        """Tells a climb from warming up and from the ups and downs of the allocator: it goes on in every third."""
        sizes = self._clean_mb
        third = len(sizes) // 3
        if third < LEAST_ROUNDS:
            return
        thirds = sizes[:third], sizes[third:-third], sizes[-third:]
        if all(min(late) > (1 + MOST_GROWTH) * max(early) for early, late in itertools.pairwise(thirds)):
            self.problems.append(f"the cleaned-up node grows: {', '.join(f'{mb:.0f}' for mb in sizes)} MB")


def main() -> None:
    """Runs for the minutes asked for; exits with 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--drive", type=float, default=20.0, metavar="S", help="seconds of driving in each round")
    parser.add_argument("--model", default="a2gc-mobilenetv2")
    arguments = parser.parse_args()
    end, number = time.monotonic() + 60 * arguments.minutes, 0
    with Probe() as probe, tempfile.TemporaryDirectory() as folder:
        soak = Soak(probe, Path(folder), arguments.model)
        try:
            while time.monotonic() < end:
                number += 1
                print(soak.round(number, arguments.drive), flush=True)
            soak.finish()
        except BaseException:
            print(f"the node's log ends with:\n{soak.node.log[-3000:]}", flush=True)
            raise
        finally:
            soak.node.kill()
            for problem in soak.problems:
                print(f"PROBLEM: {problem}", flush=True)
    print(f"{number} rounds, {soak.kills} kills, {soak.restored} keyframes found again, {len(soak.problems)} problems")
    sys.exit(1 if soak.problems else 0)


if __name__ == "__main__":
    main()
