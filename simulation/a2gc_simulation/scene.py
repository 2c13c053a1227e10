"""A MuJoCo model under construction: painted surfaces, and meshes placed in the world."""

from __future__ import annotations

from typing import Any

import numpy as np

from a2gc_ros.geometry import Pose, quaternion_of
from a2gc_simulation.noise import Image
from a2gc_simulation.shapes import Mesh

EXTENT = 100.0
"""MuJoCo's unit for clip distances, metres."""
SHADOW_REACH = 40.0
"""Half the side of the square round the robot in which the sun casts shadows, metres."""
WHITE = (1.0, 1.0, 1.0)


class Scene:
    """Collects surfaces and meshes, then compiles them.

    Attributes:
        spec: The ``mujoco.MjSpec``.
    """

    def __init__(self) -> None:
        import mujoco

        self.mujoco = mujoco
        self.spec: Any = mujoco.MjSpec()
        self.spec.visual.quality.offsamples = 0  # the renderer draws at a multiple of the size instead
        self.spec.visual.quality.shadowsize = 4096
        self.spec.visual.map.znear = 0.001
        # The headlight gives the light from everywhere and nothing else.
        self.spec.visual.headlight.diffuse = np.zeros(3)
        self.spec.visual.headlight.specular = np.zeros(3)
        self.spec.visual.map.zfar = 4.0
        self.spec.visual.map.shadowclip = SHADOW_REACH / EXTENT
        self.spec.stat.extent = EXTENT
        self.spec.stat.center = np.zeros(3)
        self._lights()

    def surface(self, name: str, image: Image) -> str:
        """Adds a material that bears a picture, uint8 RGB (H, W, 3), and returns its name."""
        height, width = image.shape[:2]
        texture = self.spec.add_texture(
            name=name, type=self.mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3
        )
        texture.data = np.ascontiguousarray(image).tobytes()
        material = self.spec.add_material(name=name, specular=0.0, shininess=0.0, reflectance=0.0)
        material.textures[self.mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
        return name

    def mesh(self, name: str, mesh: Mesh) -> str:
        """Adds a mesh and returns its name."""
        self.spec.add_mesh(
            name=name,
            inertia=self.mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
            uservert=mesh.vertices.ravel(),
            usernormal=mesh.normals.ravel(),
            usertexcoord=mesh.texcoords.ravel(),
            userface=mesh.faces.ravel(),
        )
        return name

    def add(self, name: str, mesh: Mesh, surface: str, pose: Pose, color: tuple[float, float, float] = WHITE) -> None:
        """Adds a mesh and puts it into the world once, see :meth:`place`."""
        self.place(self.mesh(name, mesh), surface, pose, color)

    def place(
        self,
        mesh: str,
        surface: str,
        pose: Pose,
        color: tuple[float, float, float] = WHITE,
        body: Any = None,
    ) -> None:
        """Puts a mesh that bears a surface, both by name, into the world, or into a body's frame.

        The color, RGB from 0 to 1, multiplies the picture.
        """
        x, y, z, w = quaternion_of(pose)
        (body or self.spec.worldbody).add_geom(
            type=self.mujoco.mjtGeom.mjGEOM_MESH,
            meshname=mesh,
            material=surface,
            pos=pose[:3, 3],
            quat=[w, x, y, z],
            rgba=[*color, 1.0],
            contype=0,
            conaffinity=0,
        )

    def mover(self, name: str) -> Any:
        """Adds a body that can be put anywhere from picture to picture."""
        return self.spec.worldbody.add_body(name=name, mocap=True, pos=[0, 0, -50])

    def compile(self, width: int, height: int, camera_height: float, field_of_view: float) -> Any:
        """Adds the robot's camera and returns the ``mujoco.MjModel``.

        Pictures are in pixels, the camera in metres above the ground, and its field of view vertical, in degrees.
        """
        robot = self.mover("robot")
        robot.add_camera(name="camera", pos=[0, 0, camera_height], xyaxes=[0, -1, 0, 0, 0, 1], fovy=field_of_view)
        self.spec.visual.global_.offwidth = width
        self.spec.visual.global_.offheight = height
        return self.spec.compile()

    def _lights(self) -> None:
        directional = self.mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
        world = self.spec.worldbody
        world.add_light(name="sun", type=directional, castshadow=True, specular=[0, 0, 0])
        world.add_light(name="sky", type=directional, castshadow=False, specular=[0, 0, 0], dir=[0.25, 0.1, -1])
