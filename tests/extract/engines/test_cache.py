"""The cache of engines: keys, files, damage, and processes that share a folder. Engines are any bytes here."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.errors import BackendError, ConfigError
from a2gc_ros.extract.engines.cache import EngineCache
from a2gc_ros.extract.engines.file import EngineFileError, read_engine, write_engine
from a2gc_ros.extract.engines.key import EngineKey, EngineOptions

KEY = EngineKey("a2gc-dinov2-vits14", "ab" * 32, "fp16", "tensorrt", "10.7.0", "Orin (nvgpu)", "8.7")
PLAN = bytes(range(256)) * 40


def never() -> bytes:
    raise AssertionError("an engine was built that was there")


def test_the_name_of_a_file_tells_model_precision_runtime_and_gpu():
    assert KEY.stem == "a2gc-dinov2-vits14-abababababab-fp16-tensorrt-orin-nvgpu"
    assert dataclasses.replace(KEY, dla_core=1).stem == f"{KEY.stem}-dla1"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": "10.3.0"}, "it was built by version 10.3.0 and not 10.7.0"),
        ({"gpu": "Xavier"}, "it was built for the GPU Xavier and not Orin (nvgpu)"),
        ({"compute_capability": "7.2"}, "it was built for compute capability 7.2 and not 8.7"),
        ({"precision": "fp32"}, "it was built in fp32 and not fp16"),
        ({"workspace_mb": 64}, "it was built with a workspace in MiB of 64 and not 0"),
        ({"most_images": 4}, "it was built for batches of at most 4 and not 16"),
        ({"recipe": 0}, "it was built by this package's recipe 0 and not 1"),
        ({"model": "salad"}, "it was built for the model salad and not a2gc-dinov2-vits14"),
        ({"fingerprint": "cd" * 32}, f"it was built for the fingerprint {'cd' * 32} and not {'ab' * 32}"),
        ({"dla_core": 0}, "it was built for the accelerator 0 and not -1"),
        ({"runtime": "x", "version": "1"}, "it was built by x and not tensorrt, by version 1 and not 10.7.0"),
        ({}, None),
    ],
)
def test_a_mismatch_is_said_in_words(change, sentence):
    assert dataclasses.replace(KEY, **change).difference(KEY) == sentence


@given(
    text=st.lists(st.text(max_size=20), min_size=7, max_size=7),
    numbers=st.lists(st.integers(-1, 10**6), min_size=4, max_size=4),
)
def test_keys_survive_being_written(text, numbers):
    key = EngineKey(*text, *numbers)
    assert EngineKey.from_dict(json.loads(json.dumps(dataclasses.asdict(key)))) == key
    assert "/" not in key.stem
    assert "." not in key.stem


@pytest.mark.parametrize(
    "entries",
    [{}, {**dataclasses.asdict(KEY), "more": 1}, {**dataclasses.asdict(KEY), "dla_core": "0"}],
)
def test_other_descriptions_are_no_keys(entries):
    with pytest.raises(ValueError, match="description"):
        EngineKey.from_dict(entries)


@pytest.mark.parametrize("options", [{"workspace_mb": -1}, {"dla_core": -2}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match=str(*options.values())):
        EngineOptions(**options)


def test_the_default_folder_follows_the_xdg_specification(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert EngineCache().folder == tmp_path / "a2gc_ros" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert EngineCache().folder == Path.home() / ".cache" / "a2gc_ros" / "engines"


def test_an_engine_is_built_once_and_then_read(tmp_path):
    cache = EngineCache(tmp_path / "new" / "folder")
    built = cache.obtain(KEY, lambda: PLAN, bytes)
    assert (built.engine, built.built) == (PLAN, True)
    assert "there was no engine" in built.reason
    again = cache.obtain(KEY, never, bytes)
    assert (again.engine, again.built, again.path) == (PLAN, False, built.path)
    header, plan = read_engine(built.path)
    assert (header.key, header.size, plan) == (KEY, len(PLAN), PLAN)
    assert cache.paths() == [built.path]


def test_an_engine_of_another_version_is_replaced_with_a_sentence(tmp_path, caplog):
    cache = EngineCache(tmp_path)
    old = dataclasses.replace(KEY, version="10.3.0")
    cache.obtain(old, lambda: b"old", bytes)
    caplog.clear()
    assert cache.obtain(KEY, lambda: PLAN, bytes).engine == PLAN
    assert "built by version 10.3.0 and not 10.7.0; building" in caplog.text
    assert len(cache.paths()) == 1


def flipped(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:-1], "damaged or cut off"),
        (lambda content: content + b"x", "damaged or cut off"),
        (flipped, "damaged or cut off"),
        (lambda content: b"", "no engine of this package"),
        (lambda content: b"ftrt" + content, "no engine of this package"),
        (lambda content: content[:40], "description is damaged"),
        (lambda content: content.replace(b"tensorrt", b"\xff\xfensorrt", 1), "description is damaged"),
        (lambda content: content.replace(b'"gpu"', b'"gnu"', 1), "description is damaged"),
        (lambda content: content.replace(b'"size"', b'"seize"', 1), "description is damaged"),
        (lambda content: content.replace(b"{", b"[", 1), "description is damaged"),
    ],
)
def test_a_damaged_engine_is_refused_and_built_anew(tmp_path, caplog, damage, words):
    cache = EngineCache(tmp_path)
    path = cache.obtain(KEY, lambda: PLAN, bytes).path
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(EngineFileError, match=words):
        read_engine(path)
    caplog.clear()
    assert cache.obtain(KEY, lambda: PLAN, bytes).engine == PLAN
    assert words in caplog.text
    assert read_engine(path)[1] == PLAN


def test_an_engine_that_the_runtime_refuses_is_built_anew(tmp_path, caplog):
    cache = EngineCache(tmp_path)
    cache.obtain(KEY, lambda: b"of another build", bytes)
    found = cache.obtain(KEY, lambda: PLAN, lambda plan: plan if plan == PLAN else None)
    assert found.engine == PLAN
    assert "tensorrt refuses it" in caplog.text
    with pytest.raises(BackendError, match="does not load the engine that it built"):
        cache.obtain(dataclasses.replace(KEY, gpu="other"), lambda: PLAN, lambda plan: None)


@pytest.mark.parametrize("error", [BackendError("the GPU's memory is full"), KeyboardInterrupt()])
def test_a_build_that_fails_leaves_what_was_there(tmp_path, error):
    cache = EngineCache(tmp_path)
    old = dataclasses.replace(KEY, version="10.3.0")
    path = cache.obtain(old, lambda: b"old", bytes).path

    def fails():
        raise error

    with pytest.raises(type(error)):
        cache.obtain(KEY, fails, bytes)
    assert read_engine(path)[1] == b"old"
    assert sorted(tmp_path.iterdir()) == sorted([path, tmp_path / f".{path.stem}.lock"])


def test_what_a_killed_process_left_is_removed_and_what_another_writes_is_not(tmp_path):
    cache = EngineCache(tmp_path)
    left = tmp_path / f".{KEY.stem}-ab12cd_9"
    other = tmp_path / f".{KEY.stem}-dla0-ab12cd_9"
    for draft in (left, other):
        draft.mkdir()
        (draft / f"{KEY.stem}.engine").write_bytes(b"half")
    cache.obtain(KEY, lambda: PLAN, bytes)
    assert not left.exists()
    assert other.exists()
    assert len(cache.paths()) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = EngineCache(tmp_path / "file" / "engines")
    for use in (lambda: cache.obtain(KEY, lambda: PLAN, bytes), lambda: cache.subfolder("onnxruntime")):
        with pytest.raises(BackendError, match=r"engine cache .*file/engines cannot be written .* engine_cache"):
            use()


WORKER = """
import sys, time
from pathlib import Path
from a2gc_ros.extract.engines.cache import EngineCache
from a2gc_ros.extract.engines.key import EngineKey
key = EngineKey("m", "ab" * 32, "fp16", "tensorrt", "10.7.0", "Orin", "8.7")
folder = Path(sys.argv[1])

def build():
    with (folder / "builds").open("a") as file:
        file.write("x")
    while not (folder / "go").exists():
        time.sleep(0.01)
    return b"engine" * 1000

done = EngineCache(folder).obtain(key, build, bytes)
print(len(done.engine), done.built)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def builds(folder: Path) -> int:
    return len((folder / "builds").read_text()) if (folder / "builds").exists() else 0


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def test_two_processes_build_one_engine(tmp_path):
    first = start(tmp_path)
    wait_for(lambda: builds(tmp_path) == 1, "the first builds")
    second = start(tmp_path)
    assert "another process is building" in first_line(second)
    (tmp_path / "go").touch()
    outputs = [process.communicate(timeout=60)[0].split() for process in (first, second)]
    assert outputs == [["6000", "True"], ["6000", "False"]]
    assert builds(tmp_path) == 1


def test_a_process_that_is_killed_while_it_builds_leaves_the_next_one_to_build(tmp_path):
    first = start(tmp_path)
    wait_for(lambda: builds(tmp_path) == 1, "the first builds")
    second = start(tmp_path)
    assert "another process is building" in first_line(second)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate(timeout=60)
    wait_for(lambda: builds(tmp_path) == 2, "the second builds")
    (tmp_path / "go").touch()
    assert second.communicate(timeout=60)[0].split() == ["6000", "True"]


def test_writing_replaces_the_file_in_one_step(tmp_path):
    path = tmp_path / "one.engine"
    write_engine(path, KEY, b"first", built_s=1.0, built_at="2025-01-01T00:00:00Z")
    with path.open("rb") as reader:
        write_engine(path, KEY, b"second", built_s=1.0, built_at="2025-01-01T00:00:00Z")
        assert reader.read().endswith(b"first")
    assert read_engine(path)[1] == b"second"
