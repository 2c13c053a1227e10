"""A robot that passes the same places twice: closures, maps, services, pictures; live as offline."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from node_process import NodeProcess, new_namespace
from places import (
    LOOP_PARAMETERS,
    PLACES,
    START_NS,
    compressed_message,
    image_message,
    odometry_message,
    pose,
    stamp,
    view,
)
from ros_probe import wait_for
from sensor_msgs.msg import CompressedImage, Image
from visualization_msgs.msg import Marker, MarkerArray

from a2gc_msgs.srv import ListMaps, LoadMap, Relocalize, SaveMap, UnloadMap
from a2gc_ros.bags import RecordingWriter
from a2gc_ros.bags.messages import stamp_of
from a2gc_ros.extract import open_extractor
from a2gc_ros.images.frame import Frame
from a2gc_ros.loops import LoopConfig, LoopDetector
from a2gc_ros.nodes.base.conversions import NOT_KEPT
from a2gc_ros.placemap import Manifest, PlaceMap

STEPS = range(2 * PLACES)
PARAMETERS = {**LOOP_PARAMETERS, "diagnostics_period": 0.2}


def seen(step: int) -> np.ndarray:
    """The second lap sees every place from a little aside."""
    return view(step % PLACES, offset=3 if step >= PLACES else 0)


def drive(node: NodeProcess, images, odometry, steps=STEPS, make=image_message) -> None:
    """Publishes odometry around every image, and waits for the node's answer to it."""
    node.shake_hands(images, odometry)
    for step in steps:
        before = len(node.closures)
        for offset_ns in (-20_000_000, 20_000_000):
            odometry.publish(odometry_message(step, stamp(step) + offset_ns))
        # Odometry and images come on different topics; a real camera's image takes its time too.
        time.sleep(0.02)
        images.publish(make(seen(step), stamp(step)))
        wait_for(lambda before=before: len(node.closures) > before, f"an answer to step {step}: {node.log[-500:]}")


def found(messages) -> list[tuple[int, int]]:
    """Pairs of steps that were recognized as one place."""
    pairs = []
    for message in messages:
        for candidate in message.candidates:
            ends = (candidate.query_stamp, candidate.keyframe_stamp)
            query, keyframe = (round((t.sec * 10**9 + t.nanosec - START_NS) / 0.25e9) for t in ends)
            pairs.append((query, keyframe))
    return pairs


def offline(model, steps=STEPS) -> list[tuple[int, int]]:
    """The same frames through the detector itself."""
    extractor = open_extractor(model)
    config = LoopConfig(**{name.removeprefix("loop."): value for name, value in LOOP_PARAMETERS.items()})
    spec = extractor.spec
    with PlaceMap.create(":memory:", Manifest(spec.fingerprint, spec.descriptor_dim)) as live:
        detector = LoopDetector(config, live)
        pairs = []
        for step in steps:
            frame = Frame(stamp(step), seen(step), "camera", pose=pose(step))
            for closure in detector.process(frame, extractor.extract_one(frame.image)).closures:
                pairs.append((step, round((closure.match.keyframe_stamp_ns - START_NS) / 0.25e9)))
        return pairs


@pytest.fixture(scope="module")
def node(start_node):
    return start_node(session_name="test run", **PARAMETERS).wait_until_active()


@pytest.fixture(scope="module")
def driven(node, probe):
    """The node after two laps, with what it published beside the closures."""
    images = probe.publisher(Image, node.topic("image"))
    odometry = probe.publisher(Odometry, node.topic("odom"))
    markers = probe.listen(MarkerArray, f"{node.name}/markers")
    pictures = probe.listen(Image, f"{node.name}/debug_image")
    drive(node, images, odometry)
    return markers, pictures


def test_the_second_lap_is_recognised_and_nothing_else(node, driven, model):
    pairs = found(node.closures)
    assert len(node.closures) == len(STEPS)
    assert len(pairs) >= PLACES - 3
    assert all(query - keyframe == PLACES for query, keyframe in pairs)
    assert pairs == offline(model)


def test_a_candidate_says_all_about_itself(node, driven):
    candidate = next(c for m in node.closures for c in m.candidates)
    assert candidate.map_index == 0
    assert candidate.query_keyframe_id > candidate.keyframe_id > 0
    assert candidate.similarity > 0.9
    assert 0.95 <= candidate.probability <= 1
    assert candidate.verified
    assert candidate.matches >= candidate.inliers >= 30
    assert not candidate.has_pose


def test_markers_show_the_way_and_the_closures(node, driven):
    markers, _ = driven
    wait_for(lambda: len(markers) >= len(STEPS) - 5, "markers")
    by_name = {marker.ns: marker for marker in markers[-1].markers}
    assert by_name["way"].type == Marker.LINE_STRIP
    assert by_name["way"].header.frame_id == "odom"
    assert len(by_name["keyframes"].points) == len(STEPS)
    closures = [c for m in node.closures for c in m.candidates]
    assert len(by_name["verified"].points) == 2 * len(closures)
    assert by_name["not verified"].action == Marker.DELETE


def test_the_debug_image_shows_both_images(node, driven):
    _, pictures = driven
    wait_for(lambda: len(pictures) >= len(STEPS) - 5, "pictures")
    last = pictures[-1]
    assert last.encoding == "rgb8"
    assert last.width > 2 * 320
    pixels = np.frombuffer(last.data, np.uint8).reshape(last.height, last.step)[:, : 3 * last.width]
    assert pixels.std() > 30


def test_the_counts_are_in_the_diagnostics(node, driven):
    wait_for(lambda: node.count("recognition", "processed") == len(STEPS), "all images counted")
    assert node.count("recognition", "loop closures") == len(found(node.closures))
    assert node.count("camera", "skipped for newer ones") == 0
    assert f"{len(STEPS)} keyframes" in node.value("map", "live map")


@pytest.fixture(scope="module")
def saved(node, driven, probe):
    answer = probe.call(SaveMap, f"{node.name}/save_map", SaveMap.Request(path="lap.a2gc"))
    assert answer.success, answer.message
    return answer


def test_the_live_map_is_saved_whole(node, saved):
    assert saved.path == str(node.folder / "lap.a2gc")
    assert saved.keyframes == len(STEPS)
    with PlaceMap.open(saved.path, read_only=True) as place_map:
        keyframes = place_map.keyframes()
        assert [session.name for session in place_map.sessions()] == ["test run"]
        assert [keyframe.stamp_ns for keyframe in keyframes] == [stamp(step) for step in STEPS]
        for step, keyframe in enumerate(keyframes):
            np.testing.assert_allclose(keyframe.pose, pose(step), atol=1e-9)
        assert place_map.image(keyframes[0].id) is not None


def test_an_existing_file_is_replaced_only_on_demand(node, saved, probe):
    again = probe.call(SaveMap, f"{node.name}/save_map", SaveMap.Request(path="lap.a2gc"))
    assert not again.success
    assert "exists" in again.message
    allowed = probe.call(SaveMap, f"{node.name}/save_map", SaveMap.Request(path="lap.a2gc", overwrite=True))
    assert allowed.success


def test_a_map_is_saved_under_the_time_where_no_name_is_given(node, driven, probe):
    answer = probe.call(SaveMap, f"{node.name}/save_map", SaveMap.Request())
    assert answer.success
    assert answer.path.startswith(str(node.folder))


@pytest.mark.parametrize(("path", "said"), [("", "no path"), ("none.a2gc", "none.a2gc"), ("log.txt", "log.txt")])
def test_a_map_that_cannot_be_loaded_is_refused_and_nothing_changes(node, driven, probe, path, said):
    answer = probe.call(LoadMap, f"{node.name}/load_map", LoadMap.Request(path=path))
    assert not answer.success
    assert said in answer.message
    assert not any(key.startswith("map ") for key in [p.key for p in node.status("map").values])


@pytest.fixture(scope="module")
def second(start_node, saved, probe):
    """Another run over half a lap, with the first one's map loaded from the start."""
    node = start_node(maps=[saved.path], **PARAMETERS).wait_until_active()
    images = probe.publisher(Image, node.topic("image"))
    odometry = probe.publisher(Odometry, node.topic("odom"))
    drive(node, images, odometry, steps=range(PLACES // 2))
    return node


def test_another_run_is_relocalised_in_the_saved_map(second):
    candidates = [c for m in second.closures for c in m.candidates]
    assert len(candidates) >= PLACES // 2 - 3
    assert {c.map_index for c in candidates} == {1}
    # Neither this camera nor the map's is calibrated, and both log and diagnostics say what that costs.
    second.wait_for_log("a relocalization told no pose: no pose")
    wait_for(lambda: second.count("recognition", "relocalizations without a pose") == len(candidates), "a count")
    assert second.value("recognition", "why without a pose") in second.log
    assert all((query - keyframe) % PLACES == 0 for query, keyframe in found(second.closures))
    assert all(c.verified for c in candidates)


def test_one_image_is_relocalised_at_once(second, probe, saved):
    request = Relocalize.Request(image=image_message(view(5), stamp(99)), max_candidates=3)
    answer = probe.call(Relocalize, f"{second.name}/relocalize", request)
    assert answer.success, answer.message
    assert len(answer.candidates) == 3
    best = answer.candidates[0]
    assert (best.map_index, best.verified, best.query_keyframe_id) == (1, True, NOT_KEPT)
    assert best.similarity > 0.99
    assert (best.keyframe_stamp.sec * 10**9 + best.keyframe_stamp.nanosec) in (stamp(5), stamp(5 + PLACES))
    assert answer.candidates[2].similarity < 0.9
    newest = probe.call(Relocalize, f"{second.name}/relocalize", Relocalize.Request(max_candidates=1))
    assert newest.success
    assert newest.candidates[0].verified
    bad = Relocalize.Request(image=Image(height=2, width=2, encoding="rgb8", step=6, data=b"123"))
    refused = probe.call(Relocalize, f"{second.name}/relocalize", bad)
    assert not refused.success
    assert "carries 3" in refused.message


def test_maps_are_loaded_listed_and_unloaded_while_the_node_works(second, saved, probe):
    def ask(service, **fields):
        kind = {"load_map": LoadMap, "unload_map": UnloadMap, "list_maps": ListMaps}[service]
        return probe.call(kind, f"{second.name}/{service}", kind.Request(**fields))

    def paths():
        return [(m.map_index, m.path, m.keyframes) for m in ask("list_maps").maps]

    again = ask("load_map", path=saved.path)
    assert not again.success
    assert "is loaded as map 1 already" in again.message
    copies = [str(second.folder / f"{name}.a2gc") for name in ("north", "south")]
    for number, copy in enumerate(copies, 2):
        shutil.copy(saved.path, copy)
        added = ask("load_map", path=copy)
        assert (added.success, added.map_index, added.keyframes, added.sessions) == (True, number, len(STEPS), 1)
    live = (0, "", PLACES // 2)
    assert paths() == [live, (1, saved.path, len(STEPS)), *((n, c, len(STEPS)) for n, c in enumerate(copies, 2))]
    for fields, said in (
        ({}, "no map was named"),
        ({"map_index": 9}, "there is no map 9"),
        ({"path": "east.a2gc"}, "is not loaded"),
    ):
        refused = ask("unload_map", **fields)
        assert not refused.success
        assert said in refused.message
    gone = ask("unload_map", path="north.a2gc")
    assert gone.success, gone.message
    assert [(m.map_index, m.path) for m in gone.maps] == [(0, ""), (1, saved.path), (2, copies[1])]
    assert ask("unload_map", map_index=1).success
    assert paths() == [live, (1, copies[1], len(STEPS))]
    replaced = ask("load_map", path=saved.path, replace=True)
    assert (replaced.success, replaced.map_index) == (True, 1)
    assert paths() == [live, (1, saved.path, len(STEPS))]


def test_compressed_images_give_closures_too_and_the_live_map_survives_kill(start_node, probe):
    node = start_node(image_transport="compressed", live_map="live.a2gc", **PARAMETERS).wait_until_active()
    images = probe.publisher(CompressedImage, node.topic("image/compressed"))
    odometry = probe.publisher(Odometry, node.topic("odom"))
    steps = range(PLACES + 5)
    drive(node, images, odometry, steps, make=compressed_message)
    assert {query - keyframe for query, keyframe in found(node.closures)} == {PLACES}
    node.kill()
    with PlaceMap.open(node.folder / "live.a2gc", read_only=True) as place_map:
        assert len(place_map) == len(steps)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """The same drive as a bag."""
    path = tmp_path_factory.mktemp("bag") / "drive.mcap"
    with RecordingWriter(path) as writer:
        for step in STEPS:
            for offset_ns in (-20_000_000, 20_000_000):
                writer.add_odometry(stamp(step) + offset_ns, pose(step), topic="/drive/odom")
            writer.add_image(stamp(step), seen(step), topic="/drive/image")
    return path


# How many images a node skips at 24 a second is the machine's affair; the lockstep test below plays faster still.
@pytest.mark.parametrize("rate", [1.5, 3.0])
def test_a_replay_at_any_speed_in_simulated_time_finds_what_offline_finds(start_node, recording, model, play, rate):
    node = start_node(namespace := new_namespace(), use_sim_time=True, **PARAMETERS).wait_until_heard_of()
    remaps = [f"{old}:={namespace}/{new}" for old, new in (("/drive/image", "image"), ("/drive/odom", "odom"))]
    played = play(recording, "--rate", rate, "--wait", 10, "--ros-args", *(x for r in remaps for x in ("-r", r)))
    assert played.returncode == 0, played.stderr

    def settled() -> bool:
        worked_on = node.count("recognition", "processed")
        received = worked_on + node.count("camera", "skipped for newer ones")
        return len(node.closures) == worked_on > 0 and received == node.count("camera", "received")

    time.sleep(1.0)
    try:
        wait_for(settled, "an answer to every image that was not skipped")
    except AssertionError as error:
        seen = [node.message(part) for part in ("camera", "recognition")]
        raise AssertionError(f"{error}; {len(node.closures)} answers; {seen}; {node.log[-2000:]}") from error
    # By simulated time, not the machine's, which is years away.
    assert abs(float(node.value("recognition", "age of the newest result [ms]"))) < 20_000
    # A busy machine may skip an image; the answers must be those of the images that were worked on.
    steps = [round((stamp_of(m.header) - START_NS) / 0.25e9) for m in node.closures]
    assert len(steps) > PLACES
    assert found(node.closures) == offline(model, steps)
    node.kill()


LISTENER = """
import sys, rclpy
from a2gc_msgs.msg import LoopClosureCandidates
from diagnostic_msgs.msg import DiagnosticArray
rclpy.init()
node = rclpy.create_node("listener")
heard, names = [], []
node.create_subscription(LoopClosureCandidates, sys.argv[1], heard.append, 100)
# Made later, so where the node serves this one, it serves the other.
node.create_subscription(DiagnosticArray, "/diagnostics", lambda m: names.extend(s.name for s in m.status), 10)
while sys.argv[3] not in names:
    rclpy.spin_once(node)
print("served", flush=True)
while len(heard) < int(sys.argv[2]):
    rclpy.spin_once(node)
"""


@pytest.fixture
def listener():
    """Starts another program that listens to a node's answers, until it has heard so many."""
    started = []

    def start(node: NodeProcess, count: int) -> subprocess.Popen[str]:
        arguments = [node.topic("loop_closures"), str(count), node.part("recognition")]
        process = subprocess.Popen([sys.executable, "-c", LISTENER, *arguments], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "served\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_in_lockstep_every_image_is_answered_however_fast_they_are_played(start_node, recording, model, play, listener):
    node = start_node(namespace := new_namespace(), use_sim_time=True, **PARAMETERS).wait_until_heard_of()
    remaps = {"/drive/image": "image", "/drive/odom": "odom", "loop_closures": "loop_closures"}
    remapping = [part for old, new in remaps.items() for part in ("-r", f"{old}:={namespace}/{new}")]
    # One that stands still meanwhile, as a busy back end does.
    other = listener(node, len(STEPS))
    other.send_signal(signal.SIGSTOP)
    played = play(recording, "--rate", 100, "--lockstep", "--wait", 10, "--ros-args", *remapping)
    other.send_signal(signal.SIGCONT)
    assert played.returncode == 0, played.stderr
    assert "no answer" not in played.stderr
    wait_for(lambda: node.count("recognition", "processed") == len(STEPS), "work on every image")
    wait_for(lambda: len(node.closures) == len(STEPS), "an answer to every image")
    assert other.wait(20) == 0
    assert found(node.closures) == offline(model)


def test_a_clock_that_jumps_back_begins_a_new_session(start_node, probe):
    node = start_node(live_map="live.a2gc", session_name="jumping", **PARAMETERS).wait_until_active()
    images = probe.publisher(Image, node.topic("image"))
    odometry = probe.publisher(Odometry, node.topic("odom"))
    drive(node, images, odometry, itertools.chain(range(20, 24), range(4)))
    assert node.stop() == 0
    with PlaceMap.open(node.folder / "live.a2gc", read_only=True) as place_map:
        assert [session.name for session in place_map.sessions()] == ["jumping", "jumping"]
        assert [k.session_id for k in place_map.keyframes()] == [1] * 4 + [2] * 4
