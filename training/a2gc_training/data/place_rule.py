"""Every rule that can say when two images show the same place."""

from __future__ import annotations

from a2gc_training.data.rules import CloseInSpace, CloseInTime, SameColumns
from a2gc_training.data.view_rule import SharedView

PlaceRule = SameColumns | CloseInTime | CloseInSpace | SharedView
