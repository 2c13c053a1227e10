"""Fetching published weights: resumed where they broke off, checked by sha256, kept in a cache."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock
from rich.console import Console
from rich.progress import DownloadColumn, TaskID, TransferSpeedColumn

from a2gc_ros.errors import DownloadError
from a2gc_ros.models.weights import shipped_backbone
from a2gc_ros.models.weights.weights import Weights
from a2gc_ros.system.files import sha256_of
from a2gc_ros.system.folders import cache_folder
from a2gc_ros.system.progress import Progress, progress_bars

LOCAL_FOLDER = "A2GC_WEIGHTS"
"""Environment variable that names a folder of weights files, searched before anything is downloaded."""

CHUNK = 1 << 20
TIMEOUT_S = 30.0
ATTEMPTS = 5


def fetch(weights: Weights) -> Path:
    """The local path of a weights file, downloading it if need be.

    The folder named by `A2GC_WEIGHTS` comes first, the cache second, the network last; what nobody publishes is taken
    from the model that comes with the package. The file's hash is checked each time. Where the publisher tells none,
    the hash of the first download is written beside the file and printed, and every later use is held to it: this
    guards against damage since then, not against a wrong first download.

    Raises:
        DownloadError: The file is in neither folder and cannot be downloaded, or its hash is wrong.
    """
    local = os.environ.get(LOCAL_FOLDER)
    if local and (Path(local) / weights.file).is_file():
        path = Path(local) / weights.file
        _check(path, weights.sha256)
        return path
    path = cache_folder("weights") / weights.file
    path.parent.mkdir(parents=True, exist_ok=True)
    # The ranks of a training all ask for it at once.
    with FileLock(f"{path}.lock"):
        if weights.url is None and weights.shipped is not None and not path.is_file():
            return _shipped(weights, weights.shipped)
        if not path.is_file():
            _download(weights, path)
        else:
            _check(path, weights.sha256 or _recorded(path))
    return path


def _shipped(weights: Weights, name: str) -> Path:
    """Weights as the model that comes with the package holds them, under a name of their own."""
    path = cache_folder("weights") / f"{Path(weights.file).stem}_half.safetensors"
    if not path.is_file():
        shipped_backbone.take_out(name, path)
        Console(stderr=True).print(
            f"{weights.file} is not in the folder {LOCAL_FOLDER}, so its weights are those of {name}, which comes with "
            "the package, in half precision.",
            soft_wrap=True,
        )
    return path


def _check(path: Path, expected: str | None) -> None:
    if expected is None:
        return
    actual = sha256_of(path)
    if not actual.startswith(expected):
        raise DownloadError(
            f"{path} has sha256 {actual} where {expected} is expected: it is damaged or another version; "
            "delete it and fetch it again."
        )


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _recorded(path: Path) -> str | None:
    record = _record(path)
    return record.read_text(encoding="ascii").strip() if record.is_file() else None


def _download(weights: Weights, path: Path) -> None:
    if weights.url is None:
        source = f"by a program; get it from {weights.page}," if weights.page else "from anywhere:"
        raise DownloadError(
            f"{weights.file} cannot be downloaded {source} put it into a folder and name that folder in {LOCAL_FOLDER}."
        )
    partial = path.with_name(path.name + ".part")
    _transfer(weights.url, partial, weights.file)
    _version_file(partial).unlink(missing_ok=True)
    actual = sha256_of(partial)
    if weights.sha256 is not None and not actual.startswith(weights.sha256):
        partial.unlink()
        raise DownloadError(
            f"{weights.url} gave a file with sha256 {actual} where {weights.sha256} is expected, so it was deleted: "
            "try again, and if it happens again the file has been replaced at its source."
        )
    if weights.sha256 is None:
        _record(path).write_text(actual + "\n", encoding="ascii")
        Console(stderr=True).print(
            f"{weights.file}: its publisher tells no sha256; recorded {actual} of this download.", soft_wrap=True
        )
    partial.replace(path)


def _transfer(url: str, partial: Path, title: str) -> None:
    """Downloads into `partial`, going on where it ends; a broken connection is taken up again a few times."""
    with progress_bars("", DownloadColumn(), TransferSpeedColumn()) as progress:
        task = progress.add_task(title, total=None)
        problem: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                _continue(url, partial, progress, task)
                return
            except urllib.error.HTTPError as error:
                raise DownloadError(
                    f"{url} answers {error.code} {error.reason}: the file has moved; put {title} into a folder and "
                    f"name that folder in {LOCAL_FOLDER}."
                ) from error
            except urllib.error.URLError as error:
                raise DownloadError(
                    f"{title} is not on this machine and {url} cannot be reached ({error.reason}): download it "
                    f"elsewhere, put it into a folder and name that folder in {LOCAL_FOLDER}."
                ) from error
            except (OSError, HTTPException) as error:
                problem = error
        raise DownloadError(
            f"The download of {url} broke off {ATTEMPTS} times ({problem}); what arrived is kept, so run this again "
            "to go on from there."
        ) from problem


def _continue(url: str, partial: Path, progress: Progress, task: TaskID) -> None:
    start = partial.stat().st_size if partial.exists() else 0
    version = _version_file(partial)
    headers = {}
    if start and version.is_file():
        # A server whose file has changed since answers with the whole new one.
        headers = {"Range": f"bytes={start}-", "If-Range": version.read_text(encoding="latin-1")}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and _size_told(error.headers) == start:
            return  # the last byte had arrived before
        raise
    with response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            start = 0
        told = response.headers.get("ETag") or response.headers.get("Last-Modified")
        if told and not told.startswith("W/"):
            version.write_text(told, encoding="latin-1")
        else:
            version.unlink(missing_ok=True)
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        progress.update(task, completed=start, total=total)
        received = start
        with partial.open("ab" if start else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                received += len(chunk)
                progress.update(task, completed=received)
        if total is not None and received < total:
            raise ConnectionError(f"{received} of {total} bytes arrived")


def _version_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".version")


def _size_told(headers: Message) -> int | None:
    size = headers.get("Content-Range", "").rpartition("/")[2]
    return int(size) if size.isdigit() else None
