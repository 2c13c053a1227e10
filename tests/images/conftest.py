"""Settings for property tests: no deadlines, since machines differ."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("a2gc", deadline=None)
settings.load_profile("a2gc")
