"""The node's services: save, load, unload and list maps, recognize one image at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node

from a2gc_msgs.msg import LoadedMap
from a2gc_msgs.srv import ListMaps, LoadMap, Relocalize, SaveMap, UnloadMap
from a2gc_ros.bags.message_types import IMAGE
from a2gc_ros.bags.messages import decode_image, stamp_of
from a2gc_ros.errors import A2gcError
from a2gc_ros.images.frame import Frame
from a2gc_ros.nodes.base.conversions import candidate_message, header_message
from a2gc_ros.nodes.recognition.maps import IN_MEMORY
from a2gc_ros.nodes.recognition.recognizer import Recognizer


class MapServices:
    """Answers requests; whatever is wrong is said in the answer."""

    def __init__(self, node: Node, recognizer: Recognizer) -> None:
        self._node = node
        self._recognizer = recognizer
        self._maps = recognizer.maps
        # A group of their own: a large map that is being saved must not keep images from arriving.
        group = MutuallyExclusiveCallbackGroup()
        self._services = [
            node.create_service(kind, f"~/{name}", partial(self._answer, name, fill), callback_group=group)
            for kind, name, fill in (
                (SaveMap, "save_map", self._save),
                (LoadMap, "load_map", self._load),
                (UnloadMap, "unload_map", self._unload),
                (ListMaps, "list_maps", self._list),
                (Relocalize, "relocalize", self._relocalize),
            )
        ]

    def close(self) -> None:
        """Ends the services."""
        for service in self._services:
            self._node.destroy_service(service)
        # They hold this object, and with it the model, for as long as it holds them.
        self._services.clear()

    def _answer(self, name: str, fill: Callable[[Any, Any], None], request: Any, response: Any) -> Any:
        try:
            fill(request, response)
            response.success = True
        except A2gcError as error:
            self._node.get_logger().warning(f"{name}: {error}")
            response.success = False
            response.message = str(error)
        return response

    def _save(self, request: SaveMap.Request, response: SaveMap.Response) -> None:
        path, keyframes = self._maps.save(request.path, overwrite=request.overwrite)
        response.path = str(path)
        response.keyframes = keyframes
        response.message = f"saved {keyframes} keyframes to {path}"

    def _load(self, request: LoadMap.Request, response: LoadMap.Response) -> None:
        opened = self._told(self._maps.load(request.path, instead=request.replace))
        response.map_index = opened.map_index
        response.keyframes = opened.keyframes
        response.sessions = opened.sessions
        response.message = (
            f"loaded {opened.keyframes} keyframes of {opened.sessions} sessions as map {opened.map_index}"
        )

    def _unload(self, request: UnloadMap.Request, response: UnloadMap.Response) -> None:
        path = self._maps.unload(request.map_index, request.path)
        response.maps = self._opened()
        response.message = f"let go of {path}, {len(response.maps) - 1} maps remain"

    def _list(self, _: ListMaps.Request, response: ListMaps.Response) -> None:
        response.maps = self._opened()
        live, *loaded = response.maps
        response.message = f"{live.keyframes} keyframes in the live map, {len(loaded)} maps are loaded"

    def _opened(self) -> list[LoadedMap]:
        with self._maps.lock:
            return [self._told(number) for number in range(len(self._maps.all()))]

    def _told(self, number: int) -> LoadedMap:
        place_map = self._maps[number]
        return LoadedMap(
            map_index=number,
            path="" if place_map.path == IN_MEMORY else place_map.path,
            uuid=place_map.manifest.uuid,
            keyframes=len(place_map),
            sessions=len(place_map.sessions()),
        )

    def _relocalize(self, request: Relocalize.Request, response: Relocalize.Response) -> None:
        image, frame = request.image, None
        if image.data:
            frame = Frame(stamp_of(image.header), decode_image(image, IMAGE), image.header.frame_id)
        frame, closures = self._recognizer.relocalize(frame, request.max_candidates)
        response.header = header_message(frame.stamp_ns, frame.frame_id)
        response.candidates = [candidate_message(closure) for closure in closures]
        response.message = f"compared with the {len(closures)} most similar keyframes"
