"""A part of a network that depends on the input's size alone, kept as a constant for export and inference."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


class Baked(nn.Module):
    """What one grid gives; training and loading weights discard it, for it would no longer follow them.

    It is no weight: files do not hold it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("constant", None, persistent=False)
        self.constant: Tensor | None
        self._grid: tuple[int, int] | None = None

    def keep(self, grid: tuple[int, int], value: Tensor) -> None:
        """Keeps a grid's value."""
        self._grid, self.constant = grid, value.detach().clone()

    def get(self, grid: tuple[int, int], compute: Callable[[int, int], Tensor]) -> Tensor:
        """The value that is kept of a grid, or what `compute` makes of its rows and columns."""
        return compute(*grid) if self.constant is None or self._grid != grid else self.constant

    def train(self, mode: bool = True) -> Baked:
        """Switches mode; training discards what is kept."""
        if mode:
            self.constant = None
        super().train(mode)
        return self

    def _load_from_state_dict(self, *args: object, **kwargs: object) -> None:
        self.constant = None
        super()._load_from_state_dict(*args, **kwargs)
