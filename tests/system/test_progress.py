from __future__ import annotations

import io

import rich.console

from a2gc_ros.system import progress


def test_items_go_through_a_bar_that_counts_them(monkeypatch):
    shown = io.StringIO()

    def terminal(**_: object) -> rich.console.Console:
        return rich.console.Console(file=shown, force_terminal=True, width=100)

    monkeypatch.setattr(progress, "Console", terminal)
    assert list(progress.progress_over(iter("abc"), "spelling", total=3, unit="letters")) == ["a", "b", "c"]
    assert "spelling" in shown.getvalue()
    assert "3/3" in shown.getvalue()


def test_nothing_is_shown_where_there_is_no_terminal(capsys):
    assert list(progress.progress_over([1, 2], "counting")) == [1, 2]
    with progress.progress_bar("counting") as show:
        show(1, None)
    assert capsys.readouterr() == ("", "")
