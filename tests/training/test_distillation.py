from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from a2gc_training.data.generated import GeneratedSource
from a2gc_training.data.places import ImagesDataset
from a2gc_training.data.tables import FileReader, ImageTable
from a2gc_training.distillation import Distillation, LiveTeacher, StoredTeacher
from a2gc_training.evaluate import describe
from a2gc_training.recipe import load_recipe
from a2gc_training.run import train
from a2gc_training.sections import DistillationSection
from a2gc_training.stored_descriptors import stored_descriptors
from torch.nn import functional

from a2gc_ros import models
from a2gc_ros.errors import ConfigError, ModelError
from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.models import checkpoints

SHIPPED = "a2gc-efficientnet-lite0"
WRITE_EVERY = 16


def small_model(**options: Any) -> models.PlaceModel:
    settings = {"last_stage": 1, "clusters": 2, "cluster_dim": 8, "token_dim": 8, "hidden": None, **options}
    return models.build("a2gc-resnet18", image_size=(32, 48), **settings).eval()


def unit(rows: int, dim: int, seed: int = 0) -> torch.Tensor:
    return functional.normalize(torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("compare", ["features", "similarities"])
def test_a_student_is_no_distance_from_itself_and_some_once_it_moves(compare: Any) -> None:
    student = small_model()
    images = torch.rand(3, 3, 32, 48)
    distance = Distillation(
        DistillationSection(weight=1.0, compare=compare),
        LiveTeacher(copy.deepcopy(student), features=compare == "features"),
    )
    target = distance.teacher.target({"teacher_images": images})
    with torch.no_grad():
        features = student.backbone(student.standardize(images))
        own = features.map if compare == "features" else student.aggregator(features.map, features.token)
    assert float(distance(own, target)) == pytest.approx(0, abs=1e-5)
    other = functional.normalize(torch.randn_like(own), dim=1)
    expected = (
        1 - functional.cosine_similarity(target, other, dim=1).mean()
        if compare == "features"
        else (target @ target.T - other @ other.T).square().mean()
    )
    assert float(distance(other, target)) == pytest.approx(float(expected), abs=1e-5)


def test_the_teacher_is_no_part_of_the_students_weights() -> None:
    teacher = LiveTeacher(small_model(), features=True)
    distance = Distillation(DistillationSection(weight=1.0), teacher)
    assert not list(distance.parameters())
    assert not distance.state_dict()
    assert not any(parameter.requires_grad for parameter in teacher.model.parameters())


def test_a_teacher_of_another_kind_compares_by_similarities_only() -> None:
    batch = {"teacher_images": torch.rand(3, 3, 32, 48)}
    teacher = models.build("gem-resnet18", image_size=(64, 64)).eval()
    by_similarity = Distillation(
        DistillationSection(weight=1.0, compare="similarities"), LiveTeacher(teacher, features=False)
    )
    assert float(by_similarity(unit(3, 5), by_similarity.teacher.target(batch))) > 0
    by_feature = Distillation(DistillationSection(weight=1.0), LiveTeacher(teacher, features=True))
    with pytest.raises(ModelError, match=r"set `distillation\.compare` to `similarities`"):
        by_feature(torch.rand(3, 128, 4, 6), by_feature.teacher.target(batch))


def test_stored_targets_are_looked_up_over_all_tables() -> None:
    first, second = unit(5, 4).numpy(), unit(3, 4, seed=1).numpy()
    target = StoredTeacher([first, second]).target({"rows": torch.tensor([4, 5, 0, 7])})
    assert np.array_equal(target.numpy(), np.stack([first[4], second[0], first[0], second[2]]))


def test_projected_targets_keep_similarities_as_well_as_so_few_dimensions_can() -> None:
    # Descriptors that lie in a plane of six dimensions lose nothing in a projection to six, something in one to three.
    basis = torch.linalg.qr(torch.randn(40, 6, generator=torch.Generator().manual_seed(2))).Q
    known = functional.normalize(torch.randn(60, 6) @ basis.T, dim=1)
    rows = {"rows": torch.arange(60)}
    whole = StoredTeacher([known.numpy()], 6).target(rows)
    assert whole.shape == (60, 6)
    assert torch.allclose(whole @ whole.T, known @ known.T, atol=1e-5)
    part = StoredTeacher([known.numpy()], 3).target(rows)
    assert torch.allclose(part.norm(dim=1), torch.ones(60))
    assert not torch.allclose(part @ part.T, known @ known.T, atol=1e-2)
    with pytest.raises(ConfigError, match="cannot follow 60 descriptors of 40"):
        StoredTeacher([known.numpy()], 41)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"teacher_sees": "original"}, "must be named"),
        ({"teacher_sees": "original", "teacher": SHIPPED}, "not features"),
        ({"compare": "descriptors", "teacher": SHIPPED}, "set `teacher_sees` to `original`"),
    ],
)
def test_entries_that_contradict_each_other_are_refused(entries: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        DistillationSection(weight=1.0, **entries)


class CountingReader:
    """Generated images, counting how many were read."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.source = GeneratedSource(places=WRITE_EVERY, views=2, height=24, width=32).table().reader
        self.read_so_far = 0
        self.fails_at = fails_at

    def read(self, name: str) -> Any:
        self.read_so_far += 1
        if self.read_so_far == self.fails_at:
            raise KeyboardInterrupt
        return self.source.read(name)

    def identity(self, name: str) -> str:
        return self.source.identity(name)

    def mark(self, name: str) -> int:
        return self.source.mark(name)


@pytest.fixture(scope="module")
def teacher() -> Extractor:
    return open_extractor(SHIPPED, threads=1)


@pytest.mark.slow
def test_descriptors_are_described_once_and_interrupted_work_goes_on(
    teacher: Extractor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("a2gc_ros.evaluation.describe.WRITE_EVERY", WRITE_EVERY)
    names = [f"{place}/{view}" for place in range(WRITE_EVERY) for view in range(2)]
    breaks = ImageTable("t", names, CountingReader(fails_at=WRITE_EVERY + 5), {})
    with pytest.raises(KeyboardInterrupt):
        stored_descriptors(teacher, breaks, tmp_path)
    reader = CountingReader()
    table = ImageTable("t", names, reader, {})
    found = stored_descriptors(teacher, table, tmp_path)
    assert reader.read_so_far == len(names) - WRITE_EVERY
    assert np.array_equal(stored_descriptors(teacher, table, tmp_path), found)
    assert reader.read_so_far == len(names) - WRITE_EVERY
    assert found.dtype == np.float16
    some = [0, WRITE_EVERY, 2 * WRITE_EVERY - 1]
    assert np.allclose(found[some], teacher.extract([table.read(row) for row in some]), atol=1e-3)


def test_an_image_that_was_replaced_is_described_anew(teacher: Extractor, tmp_path: Path, write_image: Any) -> None:
    for name, seed in (("a.png", 1), ("b.png", 2)):
        write_image(tmp_path / name, seed)
    table = ImageTable("t", ["a.png", "b.png"], FileReader(tmp_path), {})
    before = np.array(stored_descriptors(teacher, table, tmp_path / "kept"))
    write_image(tmp_path / "a.png", 3)
    after = stored_descriptors(teacher, table, tmp_path / "kept")
    assert not np.allclose(before[0], after[0])
    assert np.array_equal(before[1], after[1])


@pytest.mark.slow
def test_a_student_comes_to_agree_with_its_teacher_on_images_it_never_saw(
    teacher: Extractor, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    size = "height: 48, width: 64"
    recipe = load_recipe(
        repository / "training" / "recipes" / "smoke.yaml",
        [
            f"distillation={{weight: 100, teacher: {SHIPPED}, compare: similarities, teacher_sees: original}}",
            "model={name: a2gc-resnet18, image_size: [48, 64]}",
            "model.options={last_stage: 2, clusters: 4, cluster_dim: 16, token_dim: 32, hidden: null}",
            f"train=[{{kind: generated, seed: 1, places: 64, views: 4, {size}}}]",
            *("validation=[]", "sampling={places_per_batch: 4}", "augmentation={}"),
            *("optimizer.lr=2e-3", "trainer.epochs=4"),
        ],
    )
    held_out = GeneratedSource(places=16, views=4, height=48, width=64, seed=2).table()
    wanted = teacher.extract([held_out.read(row) for row in range(len(held_out))])

    def agreement(model: models.PlaceModel) -> float:
        """Correlation of the two models' similarities over all pairs of held-out images."""
        own = describe(model, ImagesDataset(held_out, model.preprocessing))
        pairs = np.triu_indices(len(own), 1)
        return float(np.corrcoef((own @ own.T)[pairs], (wanted @ wanted.T)[pairs])[0, 1])

    torch.manual_seed(recipe.seed)
    untrained = models.build(recipe.model.name, image_size=recipe.model.image_size, **recipe.model.options)
    # Measured: 0.14 before, 0.35 after.
    assert agreement(checkpoints.restore(train(recipe, tmp_path / "run").model)) > agreement(untrained) + 0.1
    assert len(list((tmp_path / "cache").rglob("descriptors.npy"))) == 1
