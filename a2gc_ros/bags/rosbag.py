"""ROS's own recordings: rosbag1, rosbag2 and MCAP."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from rosbags.interfaces import Connection, ConnectionExtRosbag1, QosDurability
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.rosbag2.storage_mcap import McapReader

from a2gc_ros.bags.message_types import TRANSFORMS, TRANSFORMS_OF_OLD_ROS1
from a2gc_ros.bags.storage import RawMessage, Storage, Topic
from a2gc_ros.errors import BagError

METADATA = "metadata.yaml"
MAX_METADATA_BYTES = 16 * 1024**2

_STORAGE_SUFFIXES = (".mcap", ".db3")
_ROS_SCHEMAS = ("ros2msg", "ros2idl", "omgidl", "")
_UNSUPPORTED = ("Profile is not", "not supported", "Unsupported", "Unrecognized")
_CDR = "cdr"


class Rosbag(Storage):
    """A recording of ROS.

    Raises:
        BagError: If there is no recording or it is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._stack = ExitStack()
        files = _files_of(self.path)
        self.ros_version = 1 if files[0].suffix == ".bag" else 2
        self._readers: list[Reader1 | Reader2] = []
        try:
            for file in files:
                self._readers.append(_open_reader(file, self._stack))
        except BagError:
            self._stack.close()
            raise
        self.topics = self._collect_topics()
        self._filled = [reader for reader in self._readers if reader.message_count]
        self.start_ns = min((reader.start_time for reader in self._filled), default=0)
        self.end_ns = max((reader.end_time - 1 for reader in self._filled), default=0)

    def close(self) -> None:
        """Closes the files."""
        self._stack.close()

    def messages(
        self, topics: Collection[str] | None = None, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """Streams messages in order of receipt, merged over the files."""
        streams: list[Iterator[tuple[Connection, int, bytes]]] = []
        for reader in self._filled:
            wanted = [c for c in reader.connections if _is_ros(c) and (topics is None or c.topic in topics)]
            if wanted:
                streams.append(reader.messages(wanted, start_ns, stop_ns))
        merged = streams[0] if len(streams) == 1 else heapq.merge(*streams, key=lambda item: item[1])
        while True:
            try:
                connection, stamp_ns, data = next(merged)
            except StopIteration:
                return
            # Any exception may come out of a parser that meets damaged bytes.
            except Exception as error:
                raise BagError(f"{self.path} is damaged and cannot be read any further: {error}") from error
            yield RawMessage(connection.topic, _modern(connection.msgtype), stamp_ns, data)

    def _collect_topics(self) -> tuple[Topic, ...]:
        topics: dict[tuple[str, str], Topic] = {}
        for connection in (c for reader in self._readers for c in reader.connections if _is_ros(c)):
            key = (connection.topic, _modern(connection.msgtype))
            known = topics.get(key)
            count = connection.msgcount + (known.count if known else 0)
            latched = _is_latched(connection) or bool(known and known.latched)
            topics[key] = Topic(*key, count, latched)
        return tuple(topics[key] for key in sorted(topics))


def _modern(msgtype: str) -> str:
    return TRANSFORMS if msgtype == TRANSFORMS_OF_OLD_ROS1 else msgtype


def _is_ros(connection: Connection) -> bool:
    """Whether a topic's messages are ROS's: a file may hold others beside them, such as Foxglove's JSON."""
    extra = connection.ext
    return isinstance(extra, ConnectionExtRosbag1) or extra.serialization_format in (_CDR, "")


def _is_latched(connection: Connection) -> bool:
    if isinstance(connection.ext, ConnectionExtRosbag1):
        return bool(connection.ext.latching)
    return any(q.durability == QosDurability.TRANSIENT_LOCAL for q in connection.ext.offered_qos_profiles)


def _files_of(path: Path) -> list[Path]:
    """Returns what to open: the path itself, or the storage files of a folder.

    What metadata.yaml repeats of the topics is not looked at where the files can be read without it: people edit it,
    and a line that differs from the files would hide a topic.
    """
    if not path.exists():
        raise BagError(f"there is no recording at {path}")
    if path.is_dir():
        if (path / METADATA).exists():
            return _files_listed(path)
        for suffix in (*_STORAGE_SUFFIXES, ".bag"):
            if files := sorted(path.glob(f"*{suffix}")):
                return files
        raise BagError(f"the folder {path} holds no recording: neither metadata.yaml nor .mcap, .db3 or .bag files")
    if path.suffix not in (*_STORAGE_SUFFIXES, ".bag"):
        raise BagError(
            f"{path} is not a recording; known are ROS 1 .bag files, .mcap and .db3 files, rosbag2 folders, and what "
            "installed packages read"
        )
    return [path]


def _files_listed(folder: Path) -> list[Path]:
    """Returns the files that metadata.yaml lists; the folder where only the metadata tells how they are compressed."""
    metadata = folder / METADATA
    try:
        with metadata.open(encoding="utf-8") as file:
            content = yaml.safe_load(file.read(MAX_METADATA_BYTES))
        entries = content["rosbag2_bagfile_information"]
        listed = [str(name) for name in entries["relative_file_paths"]]
        compressed = str(entries.get("compression_mode") or "none").lower() != "none"
    except OSError as error:
        raise BagError(f"{metadata} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise BagError(
            f"{metadata} is damaged or not YAML ({_one_line(error)}); `ros2 bag reindex` writes it anew"
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BagError(
            f"{metadata} is damaged or not a recording's: its rosbag2_bagfile_information lists no files; "
            "`ros2 bag reindex` writes it anew"
        ) from error
    if not listed:
        raise BagError(f"{metadata} lists no files; `ros2 bag reindex` writes it anew")
    files = [folder / Path(name).name for name in listed]
    if missing := [file.name for file in files if not file.is_file()]:
        raise BagError(
            f"{folder} lacks {', '.join(missing)}, which its metadata.yaml lists: copy the whole folder, "
            "or let `ros2 bag reindex` write the metadata anew"
        )
    plain = all(file.suffix in _STORAGE_SUFFIXES for file in files)
    return files if plain and not compressed else [folder]


def _open_reader(path: Path, stack: ExitStack) -> Reader1 | Reader2:
    log = path.with_name(path.name + "-wal")
    if path.suffix == ".db3" and log.is_file() and log.stat().st_size:
        raise BagError(
            f"{path} is still being recorded, or its recorder was killed: messages in {log.name} would be missed; "
            f"let the recorder end, or run `sqlite3 {path.name} 'PRAGMA wal_checkpoint(TRUNCATE)'` in its folder"
        )
    try:
        reader = Reader1(path) if path.suffix == ".bag" else Reader2(path)
        storage = getattr(reader, "storage", None)
        if isinstance(storage, McapReader):
            storage.schemas = _Schemas()
        reader.open()
        stack.callback(reader.close)
        if isinstance(storage, DirectoryReader):
            _believe_files(storage)
    except OSError as error:
        raise BagError(f"{path} cannot be read: {error.strerror or error}") from error
    # Any exception may come out of a parser that meets foreign bytes.
    except Exception as error:
        raise BagError(_refusal(path, error)) from error
    return reader


class _Schemas(dict[int, Any]):
    """Schemas of an MCAP file; those of other languages than ROS's, such as JSON's, count as none."""

    def __setitem__(self, key: int, schema: Any) -> None:
        super().__setitem__(key, schema if schema.encoding in _ROS_SCHEMAS else schema._replace(encoding="", data=""))


def _believe_files(folder: DirectoryReader) -> None:
    """Takes topics as the files have them: one of which metadata.yaml says something else would be passed over."""
    found = {(c.topic, c.msgtype, str(c.ext), c.digest): c for storage in folder.storages for c in storage.connections}
    folder.connections[:] = [
        connection._replace(id=number, owner=folder) for number, connection in enumerate(found.values(), start=1)
    ]


def _refusal(path: Path, error: Exception) -> str:
    """Says why a file cannot be opened, telling what is not supported from what is damaged."""
    text = _one_line(error)
    if any(word in text for word in _UNSUPPORTED):
        return (
            f"{path} is not supported ({text.rstrip('.')}); supported are ROS 2 messages in .mcap and .db3 and ROS 1 "
            "messages in .bag: convert it, for example with rosbags-convert or `ros2 bag convert`"
        )
    return (
        f"{path} is damaged or not a recording ({text}); if the recorder was killed, "
        "`mcap recover`, `ros2 bag reindex` or `rosbag reindex` may repair it"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
