"""Pictures of house fronts: windows, doors, shops with lettered signs.

The same description always gives the same picture.
"""

from __future__ import annotations

import cv2
import numpy as np

from a2gc_simulation.colors import Color, adjusted, random_color
from a2gc_simulation.facades import Facade
from a2gc_simulation.lettering import FONTS, SIGN_COLORS, write_centered
from a2gc_simulation.noise import Image, shade, smooth_noise
from a2gc_simulation.walls import paint_wall

FRAME_COLORS: tuple[Color, ...] = (
    (238, 236, 230), (60, 52, 46), (110, 74, 46), (44, 76, 64), (70, 74, 80),
)  # fmt: skip
DOOR_COLORS: tuple[Color, ...] = (
    (110, 30, 34), (30, 64, 96), (34, 80, 54), (84, 58, 38), (44, 44, 48), (190, 150, 50),
)  # fmt: skip


def paint_facade(facade: Facade, texels_per_metre: int) -> Image:
    """Paints a front, uint8 RGB of (height, width) x ``texels_per_metre``; row 0 is at the eaves."""
    return _Painter(facade, texels_per_metre).paint()


class _Painter:
    """One front while it is painted; coordinates of its methods are metres from the lower left corner."""

    def __init__(self, facade: Facade, scale: int) -> None:
        self.facade, self.scale = facade, scale
        self.style = rng = np.random.default_rng([facade.seed, 101])
        self.wear = np.random.default_rng([facade.wear, 102])
        self.image = paint_wall(facade.wall, facade.color, facade.width, facade.height, scale, self.wear)
        self.frame = FRAME_COLORS[int(rng.integers(len(FRAME_COLORS)))]
        self.trim = adjusted(facade.color, 0.5, 118)
        self.panes = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        self.font = int(rng.integers(len(FONTS)))
        self.shutters = bool(rng.random() < 0.3)
        self.arched = bool(rng.random() < 0.22)
        self.window = (rng.uniform(0.95, 1.35), rng.uniform(1.35, 1.85))
        self.shutter_color = DOOR_COLORS[int(rng.integers(len(DOOR_COLORS)))]

    def paint(self) -> Image:
        facade = self.facade
        self._upper_floors()
        if facade.shop:
            self._shop()
        else:
            self._dwelling()
        self._cornice()
        if self.style.random() < 0.6:
            self._drainpipe()
        if self.wear.random() < 0.25:
            self._graffiti()
        return self._weathered()

    def texel(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self.scale), round(self.image.shape[0] - y * self.scale)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        left, top = self.texel(x0, y1)
        right, bottom = self.texel(x1, y0)
        cv2.rectangle(self.image, (left, top), (right - 1, bottom - 1), color, -1)

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Image:
        (left, top), (right, bottom) = self.texel(x0, y1), self.texel(x1, y0)
        return self.image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]

    def shadow(self, x0: float, y0: float, x1: float, y1: float, gain: float) -> None:
        box = self.box(x0, y0, x1, y1)
        box[:] = np.clip(box * gain, 0, 255).astype(np.uint8)

    def _upper_floors(self) -> None:
        facade = self.facade
        bay = facade.width / facade.bays
        width, height = min(self.window[0], bay * 0.62), min(self.window[1], facade.floor_height * 0.62)
        for floor in range(facade.floors - 1):
            base = facade.ground_height + floor * facade.floor_height
            self.rectangle(0, base - 0.12, facade.width, base + 0.06, self.trim)
            self.shadow(0, base - 0.2, facade.width, base - 0.12, 0.66)
            for index in range(facade.bays):
                self._window((index + 0.5) * bay, base + facade.floor_height * 0.24, width, height)

    def _window(self, x: float, y: float, width: float, height: float) -> None:
        x0, x1, y1 = x - width / 2, x + width / 2, y + height
        self.rectangle(x0 - 0.13, y - 0.08, x1 + 0.13, y1 + 0.2, self.trim)
        self._glass(x0, y, x1, y1)
        columns, rows = self.panes
        for k in range(1, columns):
            at = x0 + k * width / columns
            self.rectangle(at - 0.025, y, at + 0.025, y1, self.frame)
        for k in range(1, rows):
            at = y + k * height / rows
            self.rectangle(x0, at - 0.025, x1, at + 0.025, self.frame)
        for edge in ((x0, y, x0 + 0.06, y1), (x1 - 0.06, y, x1, y1), (x0, y, x1, y + 0.07), (x0, y1 - 0.06, x1, y1)):
            self.rectangle(*edge, self.frame)
        self.shadow(x0, y1 - 0.14, x1, y1, 0.55)
        self.shadow(x0, y, x0 + 0.07, y1, 0.7)
        self.rectangle(x0 - 0.18, y - 0.12, x1 + 0.18, y, (206, 202, 192))
        self.shadow(x0 - 0.16, y - 0.24, x1 + 0.2, y - 0.12, 0.7)
        if self.shutters:
            self._shutter(x0 - 0.14 - width * 0.36, y, x0 - 0.14, y1)
            self._shutter(x1 + 0.14, y, x1 + 0.14 + width * 0.36, y1)
        if self.arched:
            self._arch(x, y1 + 0.2, width / 2 + 0.13)
        if self.wear.random() < 0.2:
            self._flowers(x0, y, x1)

    def _glass(self, x0: float, y0: float, x1: float, y1: float) -> None:
        dark = int(self.wear.integers(34, 74))
        self.rectangle(x0, y0, x1, y1, (dark, dark + 8, dark + 18))
        kind = self.wear.random()
        if kind < 0.3:  # curtains, half drawn
            tone = int(self.wear.integers(150, 226))
            part = (x1 - x0) * self.wear.uniform(0.15, 0.42)
            self.rectangle(x0, y0, x0 + part, y1, (tone, tone - 8, tone - 22))
            self.rectangle(x1 - part, y0, x1, y1, (tone, tone - 8, tone - 22))
        elif kind < 0.55:  # a blind, let down in part
            tone = int(self.wear.integers(140, 220))
            bottom = y1 - (y1 - y0) * self.wear.uniform(0.2, 0.85)
            self.rectangle(x0, bottom, x1, y1, (tone, tone, tone - 16))
            for at in np.arange(bottom, y1, 0.12):
                self.shadow(x0, float(at), x1, float(at) + 0.03, 0.8)
        elif kind < 0.62:  # a lamp is on
            self.rectangle(x0, y0, x1, y1, (214, 176, 104))
        else:  # the sky mirrored in the upper part
            self.shadow(x0, (y0 + y1) / 2, x1, y1, 1.9)

    def _shutter(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.rectangle(x0, y0, x1, y1, self.shutter_color)
        for at in np.arange(y0 + 0.06, y1 - 0.06, 0.11):
            self.shadow(x0 + 0.05, float(at), x1 - 0.05, float(at) + 0.04, 0.62)

    def _arch(self, x: float, y: float, radius: float) -> None:
        s = self.scale
        center, axes = self.texel(x, y), (round(radius * s), round(radius * 0.55 * s))
        cv2.ellipse(self.image, center, axes, 0, 180, 360, self.trim, -1, cv2.LINE_AA)
        inner = (round(radius * 0.75 * s), round(radius * 0.36 * s))
        cv2.ellipse(self.image, center, inner, 0, 180, 360, adjusted(self.trim, 0.5), -1, cv2.LINE_AA)

    def _flowers(self, x0: float, y: float, x1: float) -> None:
        self.rectangle(x0, y - 0.1, x1, y + 0.12, (96, 62, 40))
        for _ in range(int((x1 - x0) * 40)):
            at = self.texel(self.wear.uniform(x0, x1), self.wear.uniform(y + 0.04, y + 0.34))
            color = (56, 110, 44) if self.wear.random() < 0.6 else random_color(self.wear, 90, 250)
            cv2.circle(self.image, at, max(self.scale // 24, 1), color, -1)

    def _shop(self) -> None:
        facade, rng = self.facade, self.style
        ground, width = facade.ground_height, facade.width
        board, ink = SIGN_COLORS[int(rng.integers(len(SIGN_COLORS)))]
        self.rectangle(0.15, 0, width - 0.15, ground - 0.15, adjusted(board, 0.8))
        door_x = rng.uniform(0.25, 0.75) * width
        edges = [0.35, door_x - 0.65, door_x + 0.65, width - 0.35]
        top = ground - 1.15
        for x0, x1 in ((edges[0], edges[1]), (edges[2], edges[3])):
            if x1 - x0 > 0.5:
                self._display(x0, 0.55, x1, top)
        self._door(door_x, 1.05, top, glazed=True)
        self.rectangle(0.15, ground - 1.0, width - 0.15, ground - 0.15, board)
        self.shadow(0.15, ground - 1.12, width - 0.15, ground - 1.0, 0.5)
        self._letters(facade.shop, (0.3, ground - 0.95, width - 0.3, ground - 0.2), ink)

    def _display(self, x0: float, y0: float, x1: float, y1: float) -> None:
        rng = self.wear
        self.rectangle(x0 - 0.06, y0 - 0.08, x1 + 0.06, y1 + 0.06, self.frame)
        tone = int(rng.integers(40, 110))
        self.rectangle(x0, y0, x1, y1, (tone, tone + 4, tone + 8))
        for shelf in np.arange(y0, y1 - 0.4, rng.uniform(0.5, 0.9)):
            at = x0 + 0.05
            while at < x1 - 0.15:
                width, height = rng.uniform(0.08, 0.4), rng.uniform(0.15, 0.48)
                color = random_color(rng, 40, 250)
                self.rectangle(at, float(shelf), min(at + width, x1 - 0.04), float(shelf) + height, color)
                at += width + rng.uniform(0.02, 0.25)
            self.rectangle(x0, float(shelf) - 0.04, x1, float(shelf), (120, 110, 96))
        if rng.random() < 0.5:
            word = ("SALE", "NEW", "OPEN", "-50%", "MENU", "24h")[int(rng.integers(6))]
            self._letters(word, (x0 + 0.1, y1 - 0.6, x1 - 0.1, y1 - 0.1), (250, 240, 90))
        self.shadow(x0, y1 - 0.16, x1, y1, 0.5)
        mid = (x0 + x1) / 2
        self.rectangle(mid - 0.03, y0, mid + 0.03, y1, self.frame)

    def _door(self, x: float, width: float, height: float, *, glazed: bool) -> None:
        color = DOOR_COLORS[int(self.style.integers(len(DOOR_COLORS)))]
        x0, x1 = x - width / 2, x + width / 2
        self.rectangle(x0 - 0.14, 0, x1 + 0.14, height + 0.14, self.trim)
        self.rectangle(x0, 0, x1, height, color)
        if glazed:
            self.rectangle(x0 + 0.14, 0.5, x1 - 0.14, height - 0.15, (52, 60, 70))
            self.shadow(x0 + 0.14, height * 0.6, x1 - 0.14, height - 0.15, 1.6)
        else:
            for y0, y1 in ((0.2, 0.85), (1.0, min(1.85, height - 0.1))):
                self.shadow(x0 + 0.12, y0, x - 0.05, y1, 0.72)
                self.shadow(x + 0.05, y0, x1 - 0.12, y1, 0.72)
        self.rectangle(x1 - 0.16, 0.98, x1 - 0.08, 1.1, (220, 190, 90))
        self.shadow(x0, height - 0.1, x1, height, 0.55)
        self.rectangle(x0 - 0.2, 0, x1 + 0.2, 0.1, (150, 148, 144))

    def _dwelling(self) -> None:
        facade = self.facade
        bay = facade.width / facade.bays
        plinth = adjusted(facade.color, 0.6)
        self.rectangle(0, 0, facade.width, 0.5, plinth)
        door = int(self.style.integers(facade.bays))
        width, height = min(self.window[0], bay * 0.6), min(1.5, facade.ground_height - 1.5)
        for index in range(facade.bays):
            x = (index + 0.5) * bay
            if index == door:
                self._door(x, min(1.1, bay * 0.6), 2.15, glazed=False)
                number = str(int(self.wear.integers(1, 99)))
                plate = (x - 0.25, 2.3, x + 0.25, 2.65)
                self.rectangle(*plate, (30, 50, 96))
                self._letters(number, plate, (240, 240, 236))
            else:
                self._window(x, 0.95, width, height)

    def _letters(self, text: str, edges: tuple[float, float, float, float], ink: Color) -> None:
        """Writes text as large as fits into a box."""
        box = self.box(*edges)
        box[:] = write_centered(box, text, ink, self.font)

    def _cornice(self) -> None:
        top, width = self.facade.height, self.facade.width
        self.rectangle(0, top - 0.34, width, top, self.trim)
        self.shadow(0, top - 0.46, width, top - 0.34, 0.6)
        for x in np.arange(0.1, width, 0.3):
            self.shadow(float(x), top - 0.3, float(x) + 0.12, top - 0.12, 0.72)

    def _drainpipe(self) -> None:
        x = 0.12 if self.style.random() < 0.5 else self.facade.width - 0.2
        self.rectangle(x, 0, x + 0.09, self.facade.height - 0.3, (88, 90, 92))
        self.shadow(x + 0.09, 0, x + 0.15, self.facade.height - 0.3, 0.7)

    def _graffiti(self) -> None:
        s, h = self.scale, self.image.shape[0]
        rng = self.wear
        color = random_color(rng, 20, 240)
        start = np.array([rng.uniform(0.3, max(self.facade.width - 1.6, 0.4)), rng.uniform(0.6, 1.3)])
        steps = np.column_stack([rng.uniform(0.0, 0.22, 12), rng.uniform(-0.35, 0.35, 12)])
        points = start + np.cumsum(steps, axis=0)
        points[:, 1] = np.clip(points[:, 1], 0.3, 1.8)
        pixels = np.column_stack([points[:, 0] * s, h - points[:, 1] * s]).astype(np.int32)
        cv2.polylines(self.image, [pixels], False, color, max(s // 14, 1), cv2.LINE_AA)

    def _weathered(self) -> Image:
        h, w = self.image.shape[:2]
        gain = 1 + 0.05 * smooth_noise((h, w), self.wear, coarsest=2.0 * self.scale, octaves=5)
        streaks = smooth_noise((1, w), self.wear, coarsest=0.4 * self.scale, octaves=4)
        gain -= 0.035 * np.clip(streaks, 0, 2)
        above = (h - np.arange(h, dtype=np.float32)) / self.scale
        gain *= (1 - 0.22 * np.exp(-above / 0.35))[:, None]
        return shade(self.image, gain.astype(np.float32))
