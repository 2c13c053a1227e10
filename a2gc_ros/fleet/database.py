"""The connection to a fleet's database, its tables, and descriptors on their way in and out."""

from __future__ import annotations

import contextlib
import logging
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import FleetError
from a2gc_ros.system.installation import needs

if TYPE_CHECKING:
    import psycopg

MIGRATIONS: Final = Path(__file__).parent / "migrations"
SCHEMES: Final = ("postgresql://", "postgres://")
MOST_INDEXED: Final = 4000
"""Dimensions up to which pgvector indexes halfvec."""

_HEAD: Final = struct.Struct(">HH")

_STATES: Final = {
    "08": ("cannot be reached", "check address, network and server; the same command goes on"),
    "23": ("does not take this", "it contradicts what is stored there; pull that into a new map, and compare the two"),
    "28": ("does not let this user in", "check user, password (~/.pgpass or PGPASSWORD) and the database's name"),
    "3D": ("does not exist", "check the database's name, or have its owner create it"),
    "40": ("was busy", "the same command goes on"),
    "42501": ("refuses this", "ask its owner for the role of the site"),
    "42": ("has other tables than this program", "its owner runs `a2gc fleet init {url}`, or upgrade a2gc_ros here"),
    "53": ("is at its limit", "its owner makes room, on the disk or for connections; the same command goes on"),
    "55": ("was busy", "the same command goes on"),
    "57": ("was stopped, or stopped this", "the same command goes on once the server is there again"),
}
"""What a class of errors means and what to do, by the beginning of its SQLSTATE (PostgreSQL's manual, appendix A); the
first that fits. Without one there was no connection."""

_TURNED_AWAY: Final = re.compile(r"authentication|password|(role|database) .* does not exist|not permitted to log in")
"""libpq gives no SQLSTATE to what a server says before it lets anyone in."""


@dataclass(frozen=True)
class Along:
    """What travels beside descriptors and poses; what stays behind can follow later.

    Attributes:
        pictures: Whether the kept pictures do.
        features: Whether the local features do.
    """

    pictures: bool = True
    features: bool = True


EVERYTHING: Final = Along()


class Half:
    """A descriptor, float16 (D,), as pgvector's ``halfvec`` carries it: the very values that a map stores."""

    def __init__(self, values: npt.NDArray[np.float16]) -> None:
        self.values = values

    def to_binary(self) -> bytes:
        """Returns pgvector's binary form: length and zero, two bytes each, then the values, all big-endian."""
        return _HEAD.pack(len(self.values), 0) + self.values.astype(">f2").tobytes()

    @classmethod
    def from_binary(cls, data: bytes | memoryview) -> Half:
        """Reads pgvector's binary form."""
        return cls(np.frombuffer(data, dtype=">f2", offset=_HEAD.size).astype(np.float16))


@contextlib.contextmanager
def connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Lends a connection on which every statement is a transaction of its own, unless one is begun.

    Args:
        url: ``postgresql://...``; what it leaves open libpq takes from its environment variables and ``~/.pgpass``.

    Raises:
        FleetError: If the database cannot be reached, is not prepared, or refuses something.
    """
    psycopg = _psycopg(url)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10, application_name="a2gc") as connection:
            _prepare(connection, url)
            yield connection
    except psycopg.Error as error:
        raise FleetError(sentence(url, error)) from error


def initialize(url: str) -> int:
    """Makes the tables of a fleet's database, or brings them to the present form; the owner does this.

    Returns:
        How many steps were taken.

    Raises:
        FleetError: If the database cannot be reached, or refuses.
    """
    psycopg = _psycopg(url)
    try:
        from yoyo import get_backend, read_migrations
        from yoyo.exceptions import LockTimeout
    except ImportError as error:
        raise FleetError(needs("preparing a fleet's database", "yoyo-migrations", "fleet")) from error
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    try:
        backend = get_backend(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url))
        migrations = read_migrations(str(MIGRATIONS))
        with backend.lock():
            missing = backend.to_apply(migrations)
            backend.apply_migrations(missing)
        return len(missing)
    except LockTimeout as error:
        raise FleetError(
            f"{shown(url)} is being prepared by another program; if that was killed, `yoyo break-lock` frees it"
        ) from error
    except psycopg.Error as error:
        raise FleetError(sentence(url, error)) from error


def index_model(url: str, fingerprint: str) -> None:
    """Builds an HNSW index over one model's descriptors, for :func:`a2gc_ros.fleet.locate`; the owner does this.

    Raises:
        FleetError: If the database does not know the model, or its descriptors are too long for an index.
    """
    with connected(url) as connection:
        dim = dimension_of(connection, fingerprint)
        if dim is None:
            raise FleetError(f"{shown(url)} has no model {fingerprint[:12]}: push a map of it first")
        if dim > MOST_INDEXED:
            raise FleetError(
                f"descriptors of {dim} dimensions are too long for an index, which takes {MOST_INDEXED}: search "
                "without one, or use a model with shorter ones"
            )
        psycopg = _psycopg(url)
        name = psycopg.sql.Identifier(f"nearest_{fingerprint[:16]}")
        connection.execute(
            psycopg.sql.SQL(
                "CREATE INDEX IF NOT EXISTS {} ON a2gc.keyframes USING hnsw "
                "((descriptor::halfvec({})) halfvec_ip_ops) WHERE fingerprint = {}"
            ).format(name, psycopg.sql.Literal(dim), psycopg.sql.Literal(fingerprint))
        )


def dimension_of(connection: Any, fingerprint: str) -> int | None:
    """Returns the length of a model's descriptors; None where the database does not know the model."""
    row = connection.execute("SELECT dim FROM a2gc.models WHERE fingerprint = %s", (fingerprint,)).fetchone()
    return None if row is None else int(row[0])


def shown(url: str) -> str:
    """Returns a URL without its password."""
    return re.sub(r"(//[^:/@]*):[^@/]*@", r"\1@", url)


def sentence(url: str, error: Exception) -> str:
    """Says of an error of the database whether it is out of reach, refuses, or something else, and what to do."""
    text = " ".join(str(error).split()) or type(error).__name__
    state = getattr(error, "sqlstate", None) or ("28" if _TURNED_AWAY.search(text) else "08")
    what, remedy = next(
        (words for begin, words in _STATES.items() if state.startswith(begin)),
        ("failed", "read the server's log; the same command goes on once that is mended"),
    )
    return f"{shown(url)} {what} ({text}): {remedy.format(url=shown(url))}"


def _psycopg(url: str) -> Any:
    """Returns the driver for a database, whose URL is checked."""
    try:
        import psycopg
        import psycopg.sql
        import psycopg.types
    except ImportError as error:
        raise FleetError(needs("a fleet's database", "psycopg", "fleet")) from error
    if not url.startswith(SCHEMES):
        raise FleetError(f"{shown(url)!r} is no database: name one as postgresql://user@host/database")
    return psycopg


def _prepare(connection: Any, url: str) -> None:
    """Teaches a connection descriptors, and refuses a database without our tables."""
    psycopg = _psycopg(url)
    if connection.execute("SELECT to_regclass('a2gc.keyframes')").fetchone()[0] is None:
        raise FleetError(
            f"{shown(url)} is no fleet's database yet: its owner runs `a2gc fleet init {shown(url)}` first"
        )
    found = psycopg.types.TypeInfo.fetch(connection, "halfvec")
    if found is None:
        raise FleetError(f"{shown(url)} lacks the extension vector: its owner installs pgvector 0.7 or newer")

    class HalfDumper(psycopg.adapt.Dumper):  # type: ignore[name-defined]
        format = psycopg.pq.Format.BINARY
        oid = found.oid

        def dump(self, obj: Half) -> bytes:
            return obj.to_binary()

    class HalfLoader(psycopg.adapt.Loader):  # type: ignore[name-defined]
        format = psycopg.pq.Format.BINARY

        def load(self, data: bytes | memoryview) -> Half:
            return Half.from_binary(data)

    connection.adapters.register_dumper(Half, HalfDumper)
    connection.adapters.register_loader(found.oid, HalfLoader)
