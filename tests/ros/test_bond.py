"""A manager that speaks bondcpp's protocol sees the node live, leave and die."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest
from node_process import ACTIVATE, CONFIGURE, DEACTIVATE, NodeProcess
from ros_probe import Probe, wait_for

Status = pytest.importorskip("bond.msg", reason="needs bond: `make test` builds it, Nav2 brings it").Status

PERIOD_S = 0.1


class Manager:
    """One end of a bond: tells every tenth of a second that it lives, until it lets go."""

    def __init__(self, probe: Probe, node: NodeProcess) -> None:
        self.identity = str(uuid.uuid4())
        self.all: list[Any] = probe.listen(Status, node.topic("bond"))
        self._publisher = probe.publisher(Status, node.topic("bond"))
        self._name = node.name.rpartition("/")[2]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    @property
    def heard(self) -> list[Any]:
        return [status for status in self.all if status.instance_id != self.identity]

    def tell(self, *, active: bool, name: str = "") -> None:
        self._publisher.publish(
            Status(
                id=name or self._name,
                instance_id=self.identity,
                active=active,
                heartbeat_timeout=4.0,
                heartbeat_period=PERIOD_S,
            )
        )

    def _run(self) -> None:
        while not self._end.wait(PERIOD_S):
            self.tell(active=True)

    def __enter__(self) -> Manager:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()


def beats_in(manager: Manager, seconds: float) -> int:
    before = len(manager.heard)
    time.sleep(seconds)
    return len(manager.heard) - before


def test_a_bond_is_formed_kept_broken_and_missed(start_node: Callable[..., NodeProcess], probe: Probe) -> None:
    node = start_node(autostart=False)
    assert node.change(CONFIGURE)
    assert node.change(ACTIVATE)
    manager = Manager(probe, node)
    manager.tell(active=True, name="another_node")
    assert beats_in(manager, 0.5) == 0
    with manager:
        wait_for(lambda: manager.heard, "a heartbeat")
        assert {(s.id, s.active) for s in manager.heard} == {("place_recognition", True)}
        assert len({s.instance_id for s in manager.heard}) == 1
        assert 5 <= beats_in(manager, 1.5) <= 20
        assert node.change(DEACTIVATE)
        wait_for(lambda: not manager.heard[-1].active, "word of the end")
        assert beats_in(manager, 0.5) == 0
        assert node.change(ACTIVATE)
        wait_for(lambda: manager.heard[-1].active, "a new bond")
    manager.tell(active=False)
    wait_for(lambda: not manager.heard[-1].active, "an answer to the manager's leave")
    assert beats_in(manager, 0.5) == 0
    with Manager(probe, node) as another:
        wait_for(lambda: another.heard, "a bond with a manager that comes later")
        node.kill()
        time.sleep(0.2)
        assert beats_in(another, 0.5) == 0
