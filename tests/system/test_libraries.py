from __future__ import annotations

import importlib
import logging
import sys
import warnings

import pytest

from a2gc_ros.system.libraries import imported_without, without_warnings


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that does without one of its modules."""
    folder = tmp_path / "with_a_part"
    folder.mkdir()
    init = "try:\n    from with_a_part import heavy\nexcept ImportError:\n    heavy = None\n"
    (folder / "__init__.py").write_text(init, encoding="utf-8")
    (folder / "heavy.py").write_text("WEIGHT = 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "with_a_part"
    for name in [name for name in sys.modules if name.startswith("with_a_part")]:
        del sys.modules[name]


def test_the_part_is_left_out_and_can_be_imported_later(package):
    assert imported_without(package, "with_a_part.heavy").heavy is None
    assert importlib.import_module("with_a_part.heavy").WEIGHT == 1


def test_a_package_that_is_there_already_stays_whole(package):
    importlib.import_module(package)
    assert imported_without(package, "with_a_part.heavy").heavy.WEIGHT == 1


def test_a_package_that_is_not_installed_is_an_import_error():
    with pytest.raises(ImportError, match="no_such_package"):
        imported_without("no_such_package", "no_such_package.part")
    assert "no_such_package.part" not in sys.modules


@pytest.mark.parametrize("name", ["", "some.library"])
def test_only_errors_are_heard_and_levels_come_back_even_after_a_failure(name):
    logger = logging.getLogger(name)
    before = logger.level

    def work():
        with without_warnings(name):
            assert not logger.isEnabledFor(logging.WARNING)
            assert logger.isEnabledFor(logging.ERROR)
            warnings.warn("not for the user", stacklevel=1)
            raise ValueError("a mistake")

    with warnings.catch_warnings(record=True) as heard, pytest.raises(ValueError, match="a mistake"):
        work()
    assert heard == []
    assert logger.level == before
