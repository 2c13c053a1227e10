"""The light of the day: sun, sky, haze, and how the camera exposes for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from a2gc_simulation.noise import Image, smooth_noise

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """One state of the light; colors are RGB from 0 to 1.

    Args:
        name: For people.
        azimuth: Where the sun stands, degrees from east towards north.
        elevation: Of the sun, degrees above the horizon.
        sun: Color and strength of the direct light.
        sky: Color and strength of the light from above.
        ambient: Light from everywhere.
        zenith: Color of the sky overhead.
        horizon: Color of the sky at the horizon, and of the haze.
        clouds: Part of the sky under cloud, 0 to 1.
        haze: Distance at which haze hides everything, metres.
        exposure: Gain of the camera for red, green and blue.
    """

    name: str
    azimuth: float
    elevation: float
    sun: Rgb
    sky: Rgb
    ambient: Rgb
    zenith: Rgb
    horizon: Rgb
    clouds: float
    haze: float
    exposure: Rgb

    @property
    def direction(self) -> npt.NDArray[np.float64]:
        """Unit vector along which sunlight travels, float64 (3,)."""
        azimuth, elevation = np.deg2rad([self.azimuth, self.elevation])
        towards = [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
        return -np.array(towards)


LIGHTS: tuple[Light, ...] = (
    Light(
        "morning", azimuth=35, elevation=48, clouds=0.35, haze=420, exposure=(1.2, 1.2, 1.2),
        sun=(0.62, 0.60, 0.54), sky=(0.20, 0.21, 0.24), ambient=(0.40, 0.41, 0.44),
        zenith=(0.22, 0.42, 0.72), horizon=(0.78, 0.86, 0.94),
    ),
    Light(
        "late afternoon", azimuth=205, elevation=27, clouds=0.5, haze=230, exposure=(1.45, 1.38, 1.28),
        sun=(0.66, 0.50, 0.32), sky=(0.15, 0.16, 0.20), ambient=(0.35, 0.34, 0.36),
        zenith=(0.34, 0.44, 0.62), horizon=(0.93, 0.83, 0.68),
    ),
    Light(
        "overcast", azimuth=120, elevation=60, clouds=0.95, haze=190, exposure=(1.12, 1.14, 1.18),
        sun=(0.16, 0.16, 0.16), sky=(0.36, 0.37, 0.39), ambient=(0.46, 0.47, 0.49),
        zenith=(0.60, 0.64, 0.69), horizon=(0.78, 0.80, 0.82),
    ),
)  # fmt: skip


def light_of(leg: int) -> Light:
    """Returns the light in which a leg of the drive is driven; the list starts again when it ends."""
    return LIGHTS[leg % len(LIGHTS)]


def paint_sky(light: Light, seed: int, width: int, height: int) -> Image:
    """Paints the whole sky as a panorama, uint8 RGB (height, width).

    Columns run over the azimuth from 180 to -180 degrees, as it is seen from below; rows from the zenith to the nadir.
    """
    rng = np.random.default_rng([seed, 41])
    azimuth = np.linspace(np.pi, -np.pi, width, endpoint=False, dtype=np.float32)
    elevation = np.linspace(np.pi / 2, -np.pi / 2, height, dtype=np.float32)
    azimuth, elevation = np.meshgrid(azimuth, elevation)
    up = np.clip(np.sin(elevation), 0.0, 1.0)
    blend = (1 - np.exp(-up / 0.22))[..., None]
    sky = np.array(light.horizon) * (1 - blend) + np.array(light.zenith) * blend
    east, north = np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation)
    # Clouds lie on a plane overhead, so they crowd towards the horizon.
    size = 512
    field = smooth_noise((size, size), rng, coarsest=size / 5, octaves=6)
    reach = 0.25 / np.maximum(up, 0.06)
    columns = ((east * reach + 2.5) / 5 * size).astype(int) % size
    rows = ((north * reach + 2.5) / 5 * size).astype(int) % size
    thickness = field[rows, columns]
    cover = np.clip((thickness - np.quantile(field, 1 - light.clouds)) / 0.7, 0, 1) * np.clip(up / 0.12, 0, 1)
    cover = 0.85 * cover[..., None]
    white = np.minimum(np.array(light.horizon) * 1.06, 1.0)
    sky = sky * (1 - cover) + white * (0.86 + 0.14 * np.clip(thickness, -1, 1))[..., None] * cover
    towards = -light.direction
    along = east * towards[0] + north * towards[1] + np.sin(elevation) * towards[2]
    glow = np.exp((along - 1) / 0.012) * (1 - light.clouds) + 0.25 * np.exp((along - 1) / 0.12)
    sky += glow[..., None] * np.array(light.sun)
    return np.clip(sky * 255, 0, 255).astype(np.uint8)
