"""The application: the page of a map or of a run, and what it asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from a2gc_ros.errors import A2gcError
from a2gc_ros.serving.finding import Finder
from a2gc_ros.serving.guard import Guard, TooLargeError


def application(pages: dict[str, str], finder: Finder | None, token: str = "") -> Starlette:
    """Builds the application.

    Args:
        pages: HTML by path; ``/`` is there.
        finder: Answers what a page asks; None where there is no map.
        token: See :class:`a2gc_ros.serving.guard.Guard`.
    """

    def page(html: str) -> Callable[[Request], Any]:
        async def show(_: Request) -> Response:
            return HTMLResponse(html)

        return show

    async def locate(request: Request) -> Response:
        assert finder is not None
        data = await request.body()
        same_camera = request.query_params.get("same_camera") == "1"
        return await _answer(lambda: finder.locate(data, same_camera=same_camera))

    async def verify(request: Request) -> Response:
        assert finder is not None
        try:
            asked = json.loads(await request.body())
            query, keyframe = int(asked["query"]), int(asked["keyframe"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return JSONResponse({"error": "two numbers of keyframes are needed: query and keyframe"}, 400)
        return await _answer(lambda: finder.verify(query, keyframe))

    routes = [Route(path, page(html)) for path, html in pages.items()]
    if finder is not None:
        routes += [Route("/api/locate", locate, methods=["POST"]), Route("/api/verify", verify, methods=["POST"])]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token)],
        exception_handlers={TooLargeError: _too_large},
    )


async def _answer(work: Callable[[], dict[str, Any]]) -> Response:
    try:
        return JSONResponse(await run_in_threadpool(work))
    except A2gcError as error:
        return JSONResponse({"error": str(error)}, 422)


async def _too_large(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "the upload is too large"}, 413)
