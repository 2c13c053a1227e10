"""A folder of images, with or without poses, as the content of a recording."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from a2gc_ros.bags.calibration import read_calibration
from a2gc_ros.bags.pose_table import PoseTable, parse_stamp, read_pose_table
from a2gc_ros.bags.skips import Skips
from a2gc_ros.bags.writer import CAMERA_INFO_TOPIC, IMAGE_TOPIC, RecordingWriter
from a2gc_ros.delimited import delimiter_of, split_rows
from a2gc_ros.errors import BagError, ImageError
from a2gc_ros.geometry import Pose
from a2gc_ros.images.decode import IMAGE_FORMATS, is_image, read_image
from a2gc_ros.images.frame import CameraIntrinsics

FIRST_STAMP_NS = 1_000_000_000
"""Stamp of the first image of a folder without stamps; zero would mean that nobody set it."""

_STAMP_IN_NAME = re.compile(r"\d{16,19}|\d{9,10}\.\d+")


@dataclass(frozen=True)
class ImageFolder:
    """Images in the order they were taken.

    Attributes:
        images: (stamp in nanoseconds, file) pairs, by stamp.
        poses: (stamp in nanoseconds, ``t_odom_base``) pairs, by stamp; empty where none are known.
        intrinsics: Calibration, where there is one.
    """

    images: list[tuple[int, Path]]
    poses: list[tuple[int, Pose]]
    intrinsics: CameraIntrinsics | None


def open_image_folder(
    folder: str | Path,
    *,
    poses: str | Path | None = None,
    rate: float | None = None,
    calibration: str | Path | None = None,
) -> ImageFolder:
    """Finds the images of a folder, and when and where each was taken.

    Images lie in the folder itself, in its ``images``, or as EuRoC has them in ``data`` beside ``data.csv`` (also
    below ``cam0``). Stamps come from ``rate`` if given, else from a table of poses that has both images and stamps,
    from ``data.csv``, or from file names that are stamps.

    Args:
        folder: The folder.
        poses: File of poses with stamps or image names, as ``read_pose_table`` takes it. With image names, its rows say
            which images are taken and in which order.
        rate: Images per second, to be used in place of any stamps.
        calibration: YAML file of the camera; None takes ``sensor.yaml`` in the folder where there is one.

    Raises:
        BagError: If there are no images, no stamps, or if images and poses do not fit together.
    """
    root = _camera_root(Path(folder))
    table = read_pose_table(poses) if poses is not None else None
    listed = _listed(root, table)
    stamps = _stamps(root, listed, table, rate)
    images = sorted(zip(stamps, listed, strict=True))
    if rate is not None and table is not None and table.images is None:
        raise BagError(f"the stamps in {poses} fit no images that are stamped by a rate; leave one of the two out")
    return ImageFolder(images, _stamped_poses(table, stamps), _calibration(root, calibration))


def write_image_folder(
    content: ImageFolder,
    out: str | Path,
    *,
    topic: str = IMAGE_TOPIC,
    frame_id: str = "camera",
    raw: bool = False,
    jpeg_quality: int | None = None,
    compress: bool = False,
    on_image: Callable[[], None] = lambda: None,
) -> Skips:
    """Writes a recording of images, calibration and odometry.

    Image files are stored as they are, on the compressed topic, unless told otherwise.

    Args:
        content: What to write.
        out: Path of the recording, as ``RecordingWriter`` takes it.
        topic: Topic of the raw images.
        frame_id: The camera's frame.
        raw: Store pixels, on the raw topic.
        jpeg_quality: Store every image as a JPEG of this quality.
        compress: Compress the chunks of an MCAP file.
        on_image: Called after every image, for a progress bar.

    Returns:
        The images that were left out because they cannot be decoded.

    Raises:
        BagError: If the recording cannot be written, or not one image can be decoded.
    """
    skips = Skips()
    info_topic = CAMERA_INFO_TOPIC if topic == IMAGE_TOPIC else f"{topic.rpartition('/')[0]}/camera_info"
    with RecordingWriter(out, compress=compress) as writer:
        for stamp_ns, item in _in_order(content):
            if not isinstance(item, Path):
                writer.add_odometry(stamp_ns, item)
                continue
            try:
                # Decoded even where the file is stored as it is, so that no damaged image gets in.
                pixels = read_image(item)
            except ImageError as error:
                skips.add(topic, error)
                continue
            finally:
                on_image()
            if raw or jpeg_quality is not None:
                is_gray = bool((pixels == pixels[..., :1]).all())
                shown = pixels[..., 0] if is_gray else pixels
                writer.add_image(stamp_ns, shown, topic=topic, frame_id=frame_id, jpeg_quality=jpeg_quality)
            else:
                encoding = IMAGE_FORMATS[item.suffix.lower()]
                writer.add_encoded_image(stamp_ns, item.read_bytes(), encoding, topic=topic, frame_id=frame_id)
            if content.intrinsics is not None:
                writer.add_camera_info(stamp_ns, content.intrinsics, topic=info_topic, frame_id=frame_id)
        if skips.total == len(content.images):
            raise BagError(f"none of the {skips.total} images can be decoded, so there is no recording: {skips}")
    return skips


def _in_order(content: ImageFolder) -> Iterator[tuple[int, Path | Pose]]:
    """Merges images and poses by stamp; of equal stamps the pose comes first, as a robot would publish it."""
    poses: Iterator[tuple[int, int, Path | Pose]] = ((stamp, 0, pose) for stamp, pose in content.poses)
    images: Iterator[tuple[int, int, Path | Pose]] = ((stamp, 1, path) for stamp, path in content.images)
    for stamp_ns, _, item in heapq.merge(poses, images, key=lambda event: event[:2]):
        yield stamp_ns, item


def _camera_root(folder: Path) -> Path:
    if not folder.is_dir():
        raise BagError(f"there is no folder {folder}")
    for inner in ("", "cam0", "mav0/cam0"):
        if (folder / inner / "data.csv").is_file():
            return folder / inner
    return folder


def _listed(root: Path, table: PoseTable | None) -> list[Path]:
    """Returns the images, in the order of the table that names them, of data.csv, or of their names."""
    folders = [root / inner for inner in ("", "images", "data") if (root / inner).is_dir()]
    if table is not None and table.images is not None:
        return [_find(folders, name) for name in table.images]
    if (root / "data.csv").is_file() and (rows := _euroc_rows(root)):
        return [_find(folders, name) for _, name in rows]
    for folder in folders:
        files = [path for path in folder.iterdir() if is_image(path)]
        if files:
            return sorted(files, key=_natural)
    raise BagError(f"there are no .jpg or .png images in {root}, its images/ or its data/")


def _find(folders: list[Path], name: str) -> Path:
    for folder in folders:
        if (folder / name).is_file():
            if not is_image(Path(name)):
                raise BagError(f"{folder / name} is neither a .jpg nor a .png image")
            return folder / name
    raise BagError(f"the image {name} is listed but lies in none of {', '.join(map(str, folders))}")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sorts image_2 before image_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name)]


def _euroc_rows(root: Path) -> list[tuple[str, str]]:
    path = root / "data.csv"
    try:
        text = path.read_text(encoding="utf-8-sig")
        lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip() and line[0] != "#"]
        rows = split_rows(lines, (delimiter_of(lines[0][1]) if lines else None) or ",")
    except (OSError, ValueError) as error:
        raise BagError(f"{path} cannot be read: {error}") from error
    if any(len(row) < 2 for _, row in rows):
        raise BagError(f"{path} must have two columns: a stamp in nanoseconds and a file name")
    return [(row[0], row[1].strip()) for _, row in rows]


def _stamps(root: Path, listed: list[Path], table: PoseTable | None, rate: float | None) -> list[int]:
    if rate is not None:
        if not rate > 0:
            raise BagError(f"a rate of {rate} images per second is not possible; give a positive one")
        return [FIRST_STAMP_NS + round(i * 1e9 / rate) for i in range(len(listed))]
    if table is not None and table.images is not None and table.stamps_ns is not None:
        return table.stamps_ns
    if (root / "data.csv").is_file():
        try:
            of_name = {name: parse_stamp(stamp, nanoseconds=True) for stamp, name in _euroc_rows(root)}
        except ValueError as error:
            raise BagError(f"{root / 'data.csv'}: {error}; its first column is a stamp in nanoseconds") from error
        if all(path.name in of_name for path in listed):
            return [of_name[path.name] for path in listed]
    if all(_STAMP_IN_NAME.fullmatch(path.stem) for path in listed):
        return [parse_stamp(path.stem) for path in listed]
    raise BagError(
        f"nothing says when the images of {root} were taken: no data.csv, no stamp column beside image names, and "
        "file names that are no stamps; give a rate in images per second (--rate)"
    )


def _stamped_poses(table: PoseTable | None, stamps: list[int]) -> list[tuple[int, Pose]]:
    if table is None:
        return []
    # Rows that name images lie at their images; the others carry their own stamps.
    own = stamps if table.images is not None else table.stamps_ns
    if own is None:
        raise BagError("the poses have neither stamps nor image names, so they fit no image")
    return sorted(zip(own, table.poses, strict=True), key=lambda stamped: stamped[0])


def _calibration(root: Path, calibration: str | Path | None) -> CameraIntrinsics | None:
    if calibration is not None:
        return read_calibration(calibration)
    beside = root / "sensor.yaml"
    return read_calibration(beside) if beside.is_file() else None
