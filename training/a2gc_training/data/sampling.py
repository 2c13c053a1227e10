"""Which images meet in a batch: P places with K images each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from a2gc_ros.errors import ConfigError
from a2gc_training.data.rules import Places
from a2gc_training.sections import SamplingSection

Draw = tuple[int, int]

_DEALS_TRIED = 50


class _Deck:
    """Deals hands of places: each place once before any comes again, none beside one it conflicts with."""

    def __init__(
        self,
        places: NDArray[np.int64],
        conflicts: list[NDArray[np.int64]],
        hand: int,
        look_alikes: Sequence[NDArray[np.int64]] = (),
        beside: int = 0,
    ) -> None:
        self._places = places
        self._conflicts = conflicts
        self._hand = hand
        self._look_alikes = look_alikes
        self._beside = beside if len(look_alikes) else 0
        self._waiting: list[int] = []

    def deal(self, rng: np.random.Generator) -> list[int] | None:
        """Takes a hand off the deck, or None when no order tried has one."""
        for _ in range(_DEALS_TRIED):
            hand, rest = self._first_that_may_meet()
            if len(hand) == self._hand:
                self._waiting = rest
                return hand
            shuffled = rng.permutation(self._places).tolist()
            # Those left over go first; when all of them wait and still make no hand, another order may.
            self._waiting = shuffled if len(self._waiting) >= len(shuffled) else self._waiting + shuffled
        return None

    def _first_that_may_meet(self) -> tuple[list[int], list[int]]:
        """A hand, or as much of one as there is, and what waits on without it."""
        hand: list[int] = []
        skipped: list[int] = []
        blocked: set[int] = set()
        beside: list[int] = []
        waiting = set(self._waiting) if self._beside else set()
        for position, place in enumerate(self._waiting):
            if place in blocked:
                skipped.append(place)
                continue
            self._add(hand, blocked, place)
            wanted = min(len(hand) + self._beside, self._hand)
            for other in self._look_alikes[place].tolist() if self._beside else ():
                if len(hand) < wanted and other in waiting and other not in blocked:
                    self._add(hand, blocked, other)
                    beside.append(other)
            if len(hand) == self._hand:
                skipped += self._waiting[position + 1 :]
                break
        # They waited further on, once or more.
        for other in beside:
            skipped.remove(other)
        return hand, skipped

    def _add(self, hand: list[int], blocked: set[int], place: int) -> None:
        hand.append(place)
        blocked.add(place)
        blocked.update(self._conflicts[place].tolist())


class PlaceSampler(Sampler[list[Draw]]):
    """Draws batches of places, the same for the same seed and epoch, disjoint over processes.

    All processes draw the same ``P * world_size`` places for a step and take their own P of them, so no place is in
    two processes' batches of a step, and no two places of a step conflict.

    Args:
        places: The places.
        section: P, K and the like.
        groups: int64 (number of places,), group of each; when given, all places of a step are of one group.
        seed: Of the order.
        rank: This process, from 0, of ``world_size``.
        world_size: Number of processes.

    Attributes:
        look_alikes: For each place, others that look like it, the likest first; empty where none are known yet. It
            may be set anew between epochs, to the same in all processes.

    Raises:
        ConfigError: There are too few places, or too few that do not conflict, to fill a batch.
    """

    def __init__(
        self,
        places: Places,
        section: SamplingSection,
        *,
        groups: NDArray[np.int64] | None = None,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._places = places
        self._section = section
        self._seed = seed
        self._rank = rank
        self._hand = section.places_per_batch * world_size
        self._epoch = 0
        self.look_alikes: Sequence[NDArray[np.int64]] = ()
        enough = [number for number, rows in enumerate(places.members) if len(rows) >= section.min_images]
        usable = np.array(enough, np.int64)
        group_of = np.zeros(len(places), np.int64) if groups is None else groups
        by_group = [usable[group_of[usable] == group] for group in np.unique(group_of[usable])]
        self._groups = [
            group
            for group in by_group
            if len(group) >= self._hand and self._deck(group).deal(np.random.default_rng(seed)) is not None
        ]
        if not self._groups:
            largest = max((len(group) for group in by_group), default=0)
            raise ConfigError(
                f"A step needs {self._hand} places that may meet; {largest} have {section.min_images} or more images"
                f"{'' if groups is None else ' in the largest group'}, and neighbors never meet: lower "
                "`sampling.places_per_batch` or `sampling.min_images`, or add data."
            )
        self._shares = [len(group) // self._hand for group in self._groups]
        self._steps = section.steps_per_epoch or sum(self._shares)

    def __len__(self) -> int:
        return self._steps

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch, and with it the order; Lightning calls this."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yields a batch as (row, place) pairs, the images of a place next to each other."""
        rng = np.random.default_rng([self._seed, self._epoch])
        decks = [self._deck(group) for group in self._groups]
        share = self._section.places_per_batch
        first = self._rank * share
        order: list[int] = []
        for _ in range(self._steps):
            if not order:
                order = rng.permutation(np.repeat(np.arange(len(decks)), self._shares)).tolist()
            hand = decks[order.pop()].deal(rng)
            if hand is None:
                raise ConfigError("Too many places conflict to fill a batch; lower `sampling.places_per_batch`.")
            # Every process draws for all, so that their generators stay in step.
            drawn = [self._draw(place, rng) for place in hand]
            yield [draw for draws in drawn[first : first + share] for draw in draws]

    def _deck(self, group: NDArray[np.int64]) -> _Deck:
        return _Deck(group, self._places.conflicts, self._hand, self.look_alikes, self._section.look_alikes)

    def _draw(self, place: int, rng: np.random.Generator) -> list[Draw]:
        rows = self._places.members[place]
        count = self._section.images_per_place
        rounds = -(-count // len(rows))
        chosen = np.concatenate([rng.permutation(rows) for _ in range(rounds)])
        return [(int(row), place) for row in chosen[:count]]
