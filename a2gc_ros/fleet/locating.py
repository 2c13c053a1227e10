"""Where is this picture from? The database itself answers, for a service; robots search their own maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import FleetError
from a2gc_ros.fleet.database import Half, connected, dimension_of, shown
from a2gc_ros.placemap.descriptors import checked


@dataclass(frozen=True)
class Located:
    """A keyframe that looks like the picture.

    Attributes:
        similarity: The cosine.
        site: Whose it is.
        session: UUID of its session.
        session_name: For people.
        stamp_ns: When it was seen, nanoseconds since the epoch.
        position: x, y, z in its session's odometry frame, metres; None without odometry.
    """

    similarity: float
    site: str
    session: str
    session_name: str
    stamp_ns: int
    position: tuple[float, float, float] | None


def locate(url: str, fingerprint: str, descriptor: npt.NDArray[np.float32], k: int) -> list[Located]:
    """Returns the k keyframes of one model most similar to a descriptor (float32 (D,), L2-normalized), best first.

    With the index that :func:`a2gc_ros.fleet.index_model` builds this takes milliseconds and may miss some; without it,
    all are compared.

    Raises:
        FleetError: If the database cannot be reached or refuses, or does not know the model.
        MapError: If the descriptor is not one of this model.
    """
    with connected(url) as connection:
        dim = dimension_of(connection, fingerprint)
        if dim is None:
            raise FleetError(
                f"{shown(url)} has no keyframes of the model {fingerprint[:12]}: use the model of its maps"
            )
        (query,) = checked(descriptor, dim)
        half = Half(query.astype(np.float16))
        # Written as the index has it; the dimension is a number that the database itself gave.
        distance = f"(k.descriptor::halfvec({dim})) <#> %s"
        rows = connection.execute(
            f"SELECT -({distance}), s.site, s.uuid::text, s.name, k.stamp_ns, k.x, k.y, k.z FROM a2gc.keyframes k "
            f"JOIN a2gc.sessions s ON s.uuid = k.session WHERE k.fingerprint = %s ORDER BY {distance} LIMIT %s",
            (half, fingerprint, half, k),
        ).fetchall()
    return [
        Located(similarity, site, session, name, stamp_ns, None if x is None else (x, y, z))
        for similarity, site, session, name, stamp_ns, x, y, z in rows
    ]
