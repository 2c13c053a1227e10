from __future__ import annotations

import logging
import warnings

import pytest

from a2gc_ros.extract.quiet import quiet


@pytest.mark.parametrize("name", ["", "some.library"])
def test_only_errors_are_heard_and_levels_come_back_even_after_a_failure(name):
    logger = logging.getLogger(name)
    before = logger.level

    def work():
        with quiet(name):
            assert not logger.isEnabledFor(logging.WARNING)
            assert logger.isEnabledFor(logging.ERROR)
            warnings.warn("not for the user", stacklevel=1)
            raise ValueError("a mistake")

    with warnings.catch_warnings(record=True) as heard, pytest.raises(ValueError, match="a mistake"):
        work()
    assert heard == []
    assert logger.level == before
