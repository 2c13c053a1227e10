"""Names that fit into pictures."""

from __future__ import annotations


def shorten(name: str, most: int) -> str:
    """At most this many characters of a name, its end, which is what tells images apart."""
    return name if len(name) <= most else f"…{name[len(name) + 1 - most :]}"
