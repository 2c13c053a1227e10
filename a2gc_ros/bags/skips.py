"""Counts what was left out of a recording, and why."""

from __future__ import annotations

from collections import Counter

_MOST_REASONS = 20

OTHERS = "other reasons"


class Skips:
    """Messages left out, by reason.

    Damaged data can give every message a reason of its own; past the first twenty, reasons are counted together.
    """

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()

    def add(self, topic: str, reason: object) -> None:
        """Counts one message of a topic."""
        text = str(reason)
        text = text if text.startswith(topic) else f"{topic}: {text}"
        if text not in self.reasons and len(self.reasons) >= _MOST_REASONS:
            text = OTHERS
        self.reasons[text] += 1

    def add_once(self, topic: str, reason: object) -> None:
        """Counts what every pass over the recording meets again, such as the place where it is damaged."""
        if str(reason) not in " ".join(self.reasons):
            self.add(topic, reason)

    def of(self, topic: str) -> Counter[str]:
        """Returns the reasons for messages of one topic so far, and those that are counted together."""
        return Counter({text: n for text, n in self.reasons.items() if text.startswith(topic) or text == OTHERS})

    @property
    def total(self) -> int:
        """How many messages were left out."""
        return sum(self.reasons.values())

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def __str__(self) -> str:
        """One line for each reason, most frequent first."""
        return "\n".join(f"{count} x {reason}" for reason, count in self.reasons.most_common())
