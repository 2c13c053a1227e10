"""The node's services: save, load, unload and list maps, recognise one image at once."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node

from a2gc_msgs.msg import LoadedMap
from a2gc_msgs.srv import ListMaps, LoadMap, Relocalize, SaveMap, UnloadMap
from a2gc_ros.bags.message_types import IMAGE
from a2gc_ros.bags.messages import decode_image, stamp_of
from a2gc_ros.errors import A2gcError, ImageError
from a2gc_ros.images.frame import Frame
from a2gc_ros.nodes.base.conversions import candidate_message, header_message
from a2gc_ros.nodes.recognition.recognizer import Recognizer


class MapServices:
    """Answers requests; whatever is wrong is said in the answer.

    Args:
        node: The node that owns the services.
        recognizer: Does the work.
        newest_frame: Gives the newest camera image that was worked on, or None.
    """

    def __init__(self, node: Node, recognizer: Recognizer, newest_frame: Callable[[], Frame | None]) -> None:
        self._node = node
        self._recognizer = recognizer
        self._newest_frame = newest_frame
        # A group of their own: a large map that is being saved must not keep images from arriving.
        group = MutuallyExclusiveCallbackGroup()
        self._services = [
            node.create_service(SaveMap, "~/save_map", self._save, callback_group=group),
            node.create_service(LoadMap, "~/load_map", self._load, callback_group=group),
            node.create_service(UnloadMap, "~/unload_map", self._unload, callback_group=group),
            node.create_service(ListMaps, "~/list_maps", self._list, callback_group=group),
            node.create_service(Relocalize, "~/relocalize", self._relocalize, callback_group=group),
        ]

    def close(self) -> None:
        """Ends the services."""
        for service in self._services:
            self._node.destroy_service(service)
        # They hold this object, and with it the model, for as long as it holds them.
        self._services.clear()

    def _save(self, request: SaveMap.Request, response: SaveMap.Response) -> SaveMap.Response:
        try:
            path, keyframes = self._recognizer.save(request.path, overwrite=request.overwrite)
        except A2gcError as error:
            return self._refuse(response, "save_map", error)
        response.success = True
        response.path = str(path)
        response.keyframes = keyframes
        response.message = f"saved {keyframes} keyframes to {path}"
        return response

    def _load(self, request: LoadMap.Request, response: LoadMap.Response) -> LoadMap.Response:
        try:
            opened = self._recognizer.load(request.path, instead=request.replace)
        except A2gcError as error:
            return self._refuse(response, "load_map", error)
        response.success = True
        response.map_index = opened.index
        response.keyframes = opened.keyframes
        response.sessions = opened.sessions
        response.message = f"loaded {opened.keyframes} keyframes of {opened.sessions} sessions as map {opened.index}"
        return response

    def _unload(self, request: UnloadMap.Request, response: UnloadMap.Response) -> UnloadMap.Response:
        try:
            path = self._recognizer.unload(request.map_index, request.path)
        except A2gcError as error:
            return self._refuse(response, "unload_map", error)
        response.success = True
        response.maps = self._maps()
        response.message = f"let go of {path}, {len(response.maps) - 1} maps remain"
        return response

    def _list(self, _: ListMaps.Request, response: ListMaps.Response) -> ListMaps.Response:
        response.maps = self._maps()
        response.success = True
        live, *loaded = response.maps
        response.message = f"{live.keyframes} keyframes in the live map, {len(loaded)} maps are loaded"
        return response

    def _maps(self) -> list[LoadedMap]:
        return [
            LoadedMap(
                map_index=opened.index,
                path=opened.path,
                uuid=opened.uuid,
                keyframes=opened.keyframes,
                sessions=opened.sessions,
            )
            for opened in self._recognizer.opened()
        ]

    def _relocalize(self, request: Relocalize.Request, response: Relocalize.Response) -> Relocalize.Response:
        try:
            frame = self._frame_of(request)
            closures = self._recognizer.relocalize(frame, request.max_candidates)
        except A2gcError as error:
            return self._refuse(response, "relocalize", error)
        response.success = True
        response.header = header_message(frame.stamp_ns, frame.frame_id)
        response.candidates = [candidate_message(closure) for closure in closures]
        response.message = f"compared with the {len(closures)} most similar keyframes"
        return response

    def _frame_of(self, request: Relocalize.Request) -> Frame:
        image = request.image
        if image.data:
            return Frame(stamp_of(image.header), decode_image(image, IMAGE), image.header.frame_id)
        frame = self._newest_frame()
        if frame is None:
            raise ImageError("no camera image has been worked on yet: activate the node, or put one into the request")
        return frame

    def _refuse(self, response, service: str, error: A2gcError):  # type: ignore[no-untyped-def]
        self._node.get_logger().warning(f"{service}: {error}")
        response.success = False
        response.message = str(error)
        return response
