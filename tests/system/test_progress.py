from __future__ import annotations

import io
import re

import rich.console

from a2gc_ros.system import progress


def test_items_go_through_a_bar_that_counts_them(monkeypatch):
    shown = io.StringIO()

    def terminal(**_: object) -> rich.console.Console:
        return rich.console.Console(file=shown, force_terminal=True, width=100)

    monkeypatch.setattr(progress, "Console", terminal)
    assert list(progress.progress_over(iter("abc"), "spelling [old]", total=3, unit="letters")) == ["a", "b", "c"]
    assert "spelling [old]" in shown.getvalue()
    assert "3/3" in shown.getvalue()


def test_nothing_is_shown_where_there_is_no_terminal(capsys):
    assert list(progress.progress_over([1, 2], "counting")) == [1, 2]
    with progress.progress_bar("counting") as show:
        show(1, None)
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_a_line_now_and_then_and_it_is_plain(capsys, monkeypatch) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.0)
    with progress.progress_bars("images") as bars:
        task = bars.add_task("replaying [bold]", total=4)
        for done in range(1, 4):
            bars.update(task, completed=done, note="2 closures")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"replaying \[bold\]: 3/4 images, [\d.]+ images/s, 2 closures, \d+:\d\d left", lines[-1])
    monkeypatch.setattr(progress, "LOG_EVERY_S", 1e9)
    with progress.progress_bars("images") as bars:
        bars.update(bars.add_task("quick", total=4), completed=1)
    assert capsys.readouterr().err == ""
