from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from a2gc_training.config import differences, from_mapping, override, read_yaml, to_mapping
from hypothesis import given
from hypothesis import strategies as st

from a2gc_ros.errors import ConfigError


@dataclass(frozen=True)
class Circle:
    radius: float
    kind: Literal["circle"] = "circle"


@dataclass(frozen=True)
class Square:
    side: float
    kind: Literal["square"] = "square"


@dataclass(frozen=True)
class Drawing:
    name: str
    count: int = 1
    visible: bool = True
    scale: float | None = None
    size: tuple[int, int] = (1, 2)
    shapes: tuple[Circle | Square, ...] = ()
    start: bool | Literal["backbone"] = False
    tags: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ConfigError("count cannot be negative.")


def test_fills_nested_dataclasses() -> None:
    values = {
        "name": "house",
        "scale": 2,
        "size": [3, 4],
        "shapes": [{"kind": "circle", "radius": 1}, {"kind": "square", "side": 2.5}],
        "start": "backbone",
        "tags": {"floor": [1, "two"]},
    }
    drawing = from_mapping(Drawing, values)
    assert drawing.shapes == (Circle(1.0), Square(2.5))
    assert (drawing.scale, drawing.size, drawing.start) == (2.0, (3, 4), "backbone")
    assert drawing.tags == {"floor": (1, "two")}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"nam": "x"}, "`nam` is unknown; did you mean `name`?"),
        ({"name": "x", "zzz": 1}, "`zzz` is unknown; choose from count, name"),
        ({}, "`name` is missing"),
        ({"name": 3}, "`name` must be a text, but is 3"),
        ({"name": "x", "count": 1.5}, "`count` must be a whole number, but is 1.5"),
        ({"name": "x", "count": True}, "`count` must be a whole number, but is True"),
        ({"name": "x", "visible": 1}, "`visible` must be true or false"),
        ({"name": "x", "scale": "wide"}, "`scale` must be a number, but is 'wide'"),
        ({"name": "x", "size": [1]}, "`size` must be a list of 2"),
        ({"name": "x", "size": 5}, "`size` must be a list"),
        ({"name": "x", "size": [1, "b"]}, "`size.1` must be a whole number"),
        ({"name": "x", "shapes": [{"radius": 1}]}, "`shapes.0` must be a mapping with a `kind`: circle, square"),
        ({"name": "x", "shapes": [{"kind": "circel"}]}, "did you mean `circle`?"),
        ({"name": "x", "shapes": [{"kind": ["circle"]}]}, "`shapes.0.kind` is ['circle']; did you mean `circle`?"),
        (
            {"name": "x", "shapes": [{"kind": "circle", "radios": 1}]},
            "`shapes.0.radios` is unknown; did you mean `radius`",
        ),
        ({"name": "x", "start": "backbon"}, "`start` must be true or false, or backbone"),
        ({"name": "x", "tags": [1]}, "`tags` must be a mapping"),
        ({"name": "x", "count": -1}, "count cannot be negative"),
        ([1], "The recipe must be a mapping"),
    ],
)
def test_refuses_with_a_sentence(values: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(Drawing, values)
    assert sentence in str(caught.value)


def test_yaml_exponents_without_a_point_are_numbers() -> None:
    assert from_mapping(Circle, yaml.safe_load("{kind: circle, radius: 6e-5}")).radius == 6e-5


@given(
    st.builds(
        Drawing,
        name=st.text("ab: #-1'é", max_size=5),
        count=st.integers(0, 9),
        scale=st.none() | st.floats(-9, 9),
        shapes=st.lists(st.builds(Circle, st.floats(0, 9)) | st.builds(Square, st.floats(0, 9)), max_size=3).map(tuple),
        start=st.sampled_from([True, False, "backbone"]),
    )
)
def test_a_written_recipe_reads_back(drawing: Drawing) -> None:
    text = yaml.safe_dump(to_mapping(drawing), allow_unicode=True)
    assert from_mapping(Drawing, yaml.safe_load(text)) == drawing


def test_override_replaces_single_entries_and_leaves_the_source() -> None:
    values = {"optimizer": {"lr": 1.0}, "train": [{"root": "a"}, {"root": "b"}]}
    changed = override(values, ["optimizer.lr=3e-4", "train.1.root=c", "trainer.epochs=2", "name=x=y"])
    assert changed["optimizer"]["lr"] in (3e-4, "3e-4")
    assert changed["train"] == [{"root": "a"}, {"root": "c"}]
    assert changed["trainer"] == {"epochs": 2}
    assert changed["name"] == "x=y"
    assert values == {"optimizer": {"lr": 1.0}, "train": [{"root": "a"}, {"root": "b"}]}


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("lr", "write `--set key=value`"),
        ("=3", "write `--set key=value`"),
        ("a.b=[", "is not valid YAML"),
        ("list.2=1", "list is a list of 2, so '2' must be a number below 2"),
        ("list.x=1", "must be a number below 2"),
        ("a.b=1", "a is a single value and has no entry 'b'"),
    ],
)
def test_override_refuses(assignment: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        override({"a": 1, "list": [1, 2]}, [assignment])
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("a: [1", "is not valid YAML"), ("- 1", "holds no mapping"), ("", "holds no mapping")],
)
def test_read_yaml_refuses(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError, match=sentence):
        read_yaml(file)


def test_read_yaml_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_yaml(tmp_path / "none.yaml")


def test_a_yaml_tag_cannot_make_objects(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("a: !!python/object/apply:os.system ['true']")
    with pytest.raises(ConfigError, match="not valid YAML"):
        read_yaml(file)


def test_differences_names_what_changed() -> None:
    old = {"a": 1, "b": {"c": 2, "d": [1, 2]}, "gone": 0}
    new = {"a": 1, "b": {"c": 3, "d": [1, 2]}, "new": 0}
    assert differences(old, new) == ["b.c", "gone", "new"]


def test_what_an_anchor_shares_is_set_in_one_place_alone() -> None:
    shared = {"root": 1}
    assert override({"a": shared, "b": shared}, ["a.root=2"]) == {"a": {"root": 2}, "b": {"root": 1}}
