from __future__ import annotations

import hashlib
import os

import pytest

from a2gc_ros.system.files import draft_of, remove_drafts, sha256_of, write_whole


def test_a_file_is_replaced_at_once_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "file.txt"
    for text in ("before", "α after"):
        write_whole(path, text)
        assert path.read_text(encoding="utf-8") == text
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "file.bin"
    write_whole(path, b"before")

    def fail():
        with draft_of(path) as draft:
            draft.write_bytes(b"half")
            assert draft.parent.parent == tmp_path
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]


def test_drafts_of_killed_processes_are_removed_and_those_of_other_files_are_not(tmp_path):
    left, other = tmp_path / ".file-ab12cd_9", tmp_path / ".file-dla0-ab12cd_9"
    for folder in (left, other):
        folder.mkdir()
        (folder / "file.bin").write_bytes(b"half")
    remove_drafts(tmp_path / "file.bin")
    assert (left.exists(), other.exists()) == (False, True)


def test_a_hash_is_that_of_the_whole_file(tmp_path):
    content = bytes(range(256)) * 9000
    (tmp_path / "file.bin").write_bytes(content)
    assert sha256_of(tmp_path / "file.bin") == hashlib.sha256(content).hexdigest()
