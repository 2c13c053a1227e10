"""The largest set of nodes that are all linked."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from a2gc_ros.loops.cliques import largest_clique


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 9), st.data())
def test_the_largest_clique_by_brute_force(count: int, data: st.DataObject) -> None:
    edges = {pair: data.draw(st.booleans()) for pair in itertools.combinations(range(count), 2)}
    found = largest_clique(count, lambda i, j: edges[i, j])
    assert all(edges[pair] for pair in itertools.combinations(sorted(found), 2))
    best = max(
        len(some)
        for size in range(count + 1)
        for some in itertools.combinations(range(count), size)
        if all(edges[pair] for pair in itertools.combinations(some, 2))
    )
    assert len(found) == best
