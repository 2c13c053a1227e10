"""Pictures of the town from the robot's camera."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from a2gc_ros.geometry import Pose, quaternion_of
from a2gc_ros.images.frame import CameraIntrinsics
from a2gc_simulation.config import DriveConfig
from a2gc_simulation.furnish import furnish_cars, furnish_town
from a2gc_simulation.gl import open_context
from a2gc_simulation.light import Light, paint_sky
from a2gc_simulation.noise import Image
from a2gc_simulation.scene import SHADOW_REACH, Scene
from a2gc_simulation.town import Town
from a2gc_simulation.traffic import Car


def intrinsics_of(drive: DriveConfig) -> CameraIntrinsics:
    """Returns the calibration of the ideal pinhole camera; pixel centers lie at whole numbers."""
    focal = drive.width / 2 / np.tan(np.deg2rad(drive.field_of_view) / 2)
    matrix = np.array([[focal, 0, (drive.width - 1) / 2], [0, focal, (drive.height - 1) / 2], [0, 0, 1.0]])
    return CameraIntrinsics(drive.width, drive.height, matrix, np.zeros(5))


def camera_pose(drive: DriveConfig) -> Pose:
    """Returns ``t_base_camera`` of the optical frame: x right, y down, z forward."""
    pose = np.eye(4)
    pose[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    pose[2, 3] = drive.camera_height
    return pose


def _rays(intrinsics: CameraIntrinsics) -> npt.NDArray[np.float32]:
    """Returns the direction of every pixel in the camera's optical frame, float32 (H, W, 3), not of unit length."""
    u, v = np.meshgrid(np.arange(intrinsics.width), np.arange(intrinsics.height))
    pixels = np.stack([u, v, np.ones_like(u)], axis=-1)
    return (pixels @ np.linalg.inv(intrinsics.matrix).T).astype(np.float32)


class Renderer:
    """Draws the town on the processor or a graphics card, whichever OpenGL finds. Close it after use.

    Every picture is drawn at ``supersampling`` times its size and reduced, which keeps distant bricks and letters
    from flickering.

    Raises:
        BackendError: If there is no MuJoCo, or no OpenGL without a screen.
    """

    def __init__(self, town: Town, drive: DriveConfig, cars: tuple[Car, ...], *, supersampling: int = 2) -> None:
        width, height = drive.width * supersampling, drive.height * supersampling
        self._gl = open_context(width, height)
        import mujoco

        self._mujoco = mujoco
        self._size = (drive.width, drive.height)
        self._seed = town.config.seed
        scene = Scene()
        furnish_town(scene, town)
        furnish_cars(scene, cars)
        vertical = 2 * np.rad2deg(np.arctan(np.tan(np.deg2rad(drive.field_of_view) / 2) * height / width))
        self._model = scene.compile(width, height, drive.camera_height, float(vertical))
        self._data = mujoco.MjData(self._model)
        self._view: Any = mujoco.MjvScene(self._model, maxgeom=4000)
        self._option = mujoco.MjvOption()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = self._model.camera("camera").id
        self._cars = [self._mocap(f"car{k}") for k in range(len(cars))]
        self._robot = self._mocap("robot")
        self._viewport = mujoco.MjrRect(0, 0, width, height)
        self._buffer = np.empty((height, width, 3), np.uint8)
        self._depth = np.empty((height, width), np.float32)
        self._t_base_camera = camera_pose(drive)
        self._rays = _rays(intrinsics_of(drive))
        self._light: Light | None = None
        self._context: Any = mujoco.MjrContext(self._model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)

    def close(self) -> None:
        """Gives graphics memory back."""
        self._context.free()
        self._gl.free()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set_light(self, light: Light) -> None:
        self._light = light
        self._panorama = paint_sky(light, self._seed, 1536, 768)
        sun, sky = self._model.light("sun"), self._model.light("sky")
        sun.dir[:] = light.direction
        sun.diffuse[:] = light.sun
        sky.diffuse[:] = light.sky
        self._model.vis.headlight.ambient[:] = light.ambient

    def render(self, robot: Pose, cars: list[Pose | None], light: Light) -> Image:
        """Draws one picture, uint8 RGB (height, width, 3).

        The robot is at ``t_map_base``, every car at ``t_map_car``, None for one that is not there.
        """
        if light != self._light:
            self._set_light(light)
        self._put(self._robot, robot)
        for mocap, pose in zip(self._cars, cars, strict=True):
            self._put(mocap, pose)
        mujoco = self._mujoco
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        mujoco.mjv_updateScene(
            self._model, self._data, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._view
        )
        self._view.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 1
        # Shadows are drawn in a square round the point below the sun, so the sun goes with the robot.
        ahead = robot[:3, 3] + robot[:3, 0] * SHADOW_REACH * 0.8
        sun = next(light for light in self._view.lights[: self._view.nlight] if light.castshadow)
        sun.pos[:] = ahead - 60.0 * light.direction
        mujoco.mjr_render(self._viewport, self._view, self._context)
        mujoco.mjr_readPixels(self._buffer, self._depth, self._viewport, self._context)
        return self._finished(robot, light)

    def _finished(self, robot: Pose, light: Light) -> Image:
        """Puts the sky behind what was drawn, haze before it, and reduces it to the camera's size."""
        near, far = (self._model.stat.extent * z for z in (self._model.vis.map.znear, self._model.vis.map.zfar))
        depth = near * far / (far - self._depth[::-1] * (far - near))
        # The share of the haze at a distance; beyond the outermost houses there is nothing but sky.
        haze = np.where(depth > 0.9 * far, 1.0, 1 - np.exp(-((depth / light.haze) ** 1.5))).astype(np.float32)
        sky = self._sky_behind(robot)
        drawn = self._buffer[::-1].astype(np.float32)
        drawn += (sky - drawn) * haze[..., None]
        image = cv2.resize(drawn, self._size, interpolation=cv2.INTER_AREA)
        return np.clip(image * np.array(light.exposure, np.float32), 0, 255).astype(np.uint8)

    def _sky_behind(self, robot: Pose) -> npt.NDArray[np.float32]:
        """Returns the sky in the direction of every texel of the drawing, float32 (H, W, 3)."""
        rays = self._rays @ (robot[:3, :3] @ self._t_base_camera[:3, :3]).T.astype(np.float32)
        height, width = self._panorama.shape[:2]
        columns = (np.pi - np.arctan2(rays[..., 1], rays[..., 0])) / (2 * np.pi) * (width - 1)
        rows = (0.5 - np.arctan2(rays[..., 2], np.hypot(rays[..., 0], rays[..., 1])) / np.pi) * (height - 1)
        small = cv2.remap(self._panorama, columns, rows, cv2.INTER_LINEAR).astype(np.float32)
        size = (self._viewport.width, self._viewport.height)
        return cv2.resize(small, size, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)

    def _mocap(self, name: str) -> int:
        return int(self._model.body(name).mocapid[0])

    def _put(self, mocap: int, pose: Pose | None) -> None:
        if pose is None:
            self._data.mocap_pos[mocap] = (0, 0, -50)
            return
        x, y, z, w = quaternion_of(pose)
        self._data.mocap_pos[mocap] = pose[:3, 3]
        self._data.mocap_quat[mocap] = (w, x, y, z)
