"""Models that tell several objects apart, as Yamins et al. trained theirs."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.models import data, network, registry
from analysis.models.read_out import LinearReadOut, fit_logistic, set_logits
from analysis.models.train import scoring, training
from analysis.models.train import stage as train
from analysis.models.yamins_hmo import boosting, svm
from analysis.models.yamins_hmo import procedure as hmo
from analysis.models.yamins_hmo.screening import Screening, sides
from analysis.params.protocol import CORRECTED

OBJECTS = ("bar", "cross", "disc")
N = 90
CSV = "data/stimuli/images.csv"


def drawings(n: int = N, size: int = 32) -> np.ndarray:
    """Return images (n, 3, size, size), uint8, of `OBJECTS` in turn, each bright and brightest in its own channel."""
    draw = np.random.default_rng(4)
    images = draw.integers(90, 110, (n, 3, size, size))
    y, x = np.mgrid[:size, :size] - size / 2
    for number, image in enumerate(images):
        dx, dy = x - draw.uniform(-4, 4), y - draw.uniform(-4, 4)
        flat, upright = (abs(dx) < 11) & (abs(dy) < 3), (abs(dy) < 11) & (abs(dx) < 3)
        shape = (flat, flat | upright, np.hypot(dx, dy) < 9)[number % 3]
        image[:, shape] = draw.integers(140, 200)
        image[number % 3, shape] += 55
    return images.astype(np.uint8)


@pytest.fixture
def objects(project):
    """The project of the models' tests, with drawings of three objects; ``project`` gives its parameters."""
    number = np.arange(N)
    kind = np.array(OBJECTS)[number % 3]
    table = {"stem": [f"i{k:03}" for k in number], "path": "x.png", "extension": ".png", "width": 32, "height": 32}
    table |= {"annotated": True, "category": kind, "label": kind, "group": number, "label_report": kind}
    table |= {"split": np.array(["train", "train", "train", "validation", "test"])[number // 3 % 5], "split_report": ""}
    pd.DataFrame(table).to_csv(CSV, index=False)
    np.save("data/stimuli/images.npy", drawings())
    return project


def test_the_labels_are_the_classes(objects):
    found = data.load(CORRECTED)
    assert found.classes == OBJECTS
    np.testing.assert_array_equal(found.label, np.arange(N) % 3)


def test_images_of_no_split_may_show_other_objects(objects):
    table = pd.read_csv(CSV)
    table.loc[:8, "split"], table.loc[:8, "label"] = "", ["whale", "unlabelled", "disc"] * 3
    table.to_csv(CSV, index=False)
    found = data.load(CORRECTED)
    assert found.classes == OBJECTS
    assert found.label[:9].tolist() == [-1, -1, 2] * 3


def test_an_object_without_test_images_is_named(objects):
    table = pd.read_csv(CSV)
    table.loc[(table["split"] == "test") & (table["label"] == "disc"), "split"] = "train"
    table.to_csv(CSV, index=False)
    with pytest.raises(DataError, match=r"no image labelled disc \(label\) in the split test"):
        data.load(CORRECTED)


def test_the_face_task_names_no_classes(project, tiny):
    train.run(project(), "pixels")
    config = network.read_config(paths.MODELS / "pixels")
    assert "classes" not in config["architecture"]
    assert "score" in pd.read_csv(paths.MODELS / "pixels" / "predictions.csv")


OTHERS = {
    "own": {
        "kind": "own", "protocol": "corrected", "size": 32, "C": 0.1,
        "module": "tests.models.test_objects:small", "arguments": {}, "weights": None, "layers": ["1"],
        "mean": [0.4, 0.4, 0.4], "std": [0.2, 0.2, 0.2],
        "activations": {"pool": 2, "features": 1000, "patches": 0},
    },
    "efficientnet": {
        "kind": "efficientnet", "protocol": "corrected", "size": 64, "C": 0.01,
        "activations": {"pool": 2, "features": 100, "patches": 0},
    },
}  # fmt: skip
"""Entries of the kinds that bring a network of their own."""
LEARNT = {"pixels": 0.5, "gabor": 0.7, "hmo": 0.7, "report_hmo": 0.5, "cnn": 0.5, "resnet": 0.5, "vit": 0.5}
"""Least share of test images whose object each tiny model tells; guessing: 1/3."""
LONGER = {"cnn": {"epochs": 24, "patience": 0}, "resnet": {"epochs": 12}, "vit": {"epochs": 24}}
LONGER |= {"report_hmo": {"epochs": [8, 16], "final_epochs": 8}}


def small() -> torch.nn.Module:
    """Return a network as a user may bring one."""
    return torch.nn.Sequential(torch.nn.Conv2d(3, 9, 5), torch.nn.ReLU())


@pytest.mark.parametrize("name", [*LEARNT, *OTHERS, "untrained", "category"])
def test_every_kind_learns_them_and_is_rebuilt(objects, tiny, name):
    values = objects(**{name: (tiny | OTHERS)[name] | LONGER.get(name, {})})
    train.run(values, name)
    examples = data.load(CORRECTED)
    made = registry.load_trained(values, name, examples)
    assert made.config["architecture"]["classes"] == list(OBJECTS)
    logits = training.scores(made.network, made.inputs(examples)).numpy()
    assert logits.shape == (N, 3)
    table = pd.read_csv(paths.MODELS / name / "predictions.csv")
    pd.testing.assert_frame_equal(table, scoring.predictions(examples, logits), check_dtype=False)
    assert set(table["predicted"]) <= set(OBJECTS)
    metrics = json.loads((paths.MODELS / name / "metrics.json").read_text())
    hit = (table["label"] == table["predicted"])[table["split"] == "test"]
    assert metrics["accuracy"] == pytest.approx(hit.mean())
    assert metrics["accuracy"] >= {"category": 1.0, "untrained": 0.4, "own": 0.8, "efficientnet": 0.8, **LEARNT}[name]


def test_the_score_is_the_probability_of_the_class_called():
    logits = np.log([[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]])
    about = pd.DataFrame({"stem": ["a", "b"]})
    examples = data.Examples(None, about, np.array([1, -1]), np.array(["test", ""]), "validation", {}, OBJECTS)
    table = scoring.predictions(examples, logits)
    assert table["score"].tolist() == [0.5, 0.7]
    assert table["predicted"].tolist() == ["cross", "bar"]
    assert table["label"].tolist() == ["cross", ""]


def test_classes_weigh_the_same_in_training_and_in_balanced_accuracy():
    y = torch.tensor([0, 0, 0, 0, 1, 2, 2])
    weights = training.class_weights(y)
    torch.testing.assert_close(weights, torch.tensor([7 / 12, 7 / 3, 7 / 6]))
    logits = torch.eye(3)[torch.tensor([0, 0, 0, 1, 1, 0, 0])]
    found = training.evaluate(torch.nn.Identity(), training.Split(logits, y), weights)
    assert found["accuracy"] == pytest.approx(4 / 7)
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 1 + 0) / 3)


def test_read_outs_decide_as_sklearn_does():
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    x = rng.normal(size=(120, 5)) + 2 * np.eye(3, 5)[y]
    z = StandardScaler().fit_transform(x)
    expected = LogisticRegression(C=0.5, class_weight="balanced", max_iter=2000).fit(z, y).decision_function(z)
    fitted, _ = fit_logistic(torch.from_numpy(x), y, 0.5)
    layer, plain = LinearReadOut(5, 3), torch.nn.Linear(5, 3)
    layer.set(fitted)
    set_logits(plain, fitted)
    for module in (layer, plain):
        np.testing.assert_allclose(module(torch.from_numpy(x).float()).detach().numpy(), expected, atol=1e-4)


def test_sides_have_a_row_for_each_class_but_one_for_two():
    np.testing.assert_array_equal(sides(np.array([0, 1, -1]), 2), [[-1, 1, 0]])
    np.testing.assert_array_equal(sides(np.array([0, 2, -1]), 3), [[1, -1, 0], [-1, -1, 0], [-1, 1, 0]])


def test_the_error_of_the_label_is_that_of_the_highest_decision_over_classes():
    y = sides(np.array([0, 0, 1, 2, 2, -1]), 3)
    decision = np.array([[3, 1, 1, 0, 0, 9], [2, 2, 2, 1, 1, 0], [1, 0, 0, 2, 0, 0.0]])
    assert boosting.label_error(y, decision) == pytest.approx((1 / 2 + 0 + 1 / 2) / 3)
    label = np.array([0, 1, 1, -1, 0, 1])
    decision = np.array([[-1.0, 2, -1, 3, 1, 1]])
    two = boosting.label_error(sides(label, 2), decision)
    assert two == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert two == boosting.weighted_error(boosting.balanced(sides(label, 2)[0]), sides(label, 2)[0], decision[0])


def test_the_decisions_of_a_read_out_are_those_of_each_task():
    rng = np.random.default_rng(1)
    label = np.arange(60) % 3
    x, y = torch.from_numpy(rng.normal(size=(60, 4)) + np.eye(3, 4)[label]).float(), sides(label, 3)
    weights = boosting.balanced(y)
    found = svm.fit(x, y, weights, 1.0)
    for row in range(3):
        alone = svm.fit(x, y[row : row + 1], weights[row : row + 1], 1.0)
        np.testing.assert_array_equal(found.weight[row], alone.weight[0])
        assert found.bias[row] == alone.bias[0]


def test_hmo_screens_on_each_object_against_the_others(objects, tiny, monkeypatch):
    seen, real = [], hmo.search_round

    def watch(job, stage, screening, *rest):
        seen.append((screening, rest[1]))
        return real(job, stage, screening, *rest)

    monkeypatch.setattr(hmo, "search_round", watch)
    train.run(objects(hmo=tiny["hmo"] | {"tasks": "categories"}), "hmo")
    screening, weights = seen[0]
    label = np.arange(N) % 3
    label = label[data.load(CORRECTED).split == "train"]
    np.testing.assert_array_equal(screening.tasks, sides(label, 3))  # and no task twice
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights.shape == screening.tasks.shape
    notes = network.read_config(paths.MODELS / "hmo")["notes"]
    metrics = json.loads((paths.MODELS / "hmo" / "metrics.json").read_text())
    error = 1 - metrics["splits"]["validation"]["balanced_accuracy"]
    assert notes["selection_error"][str(notes["C"])] == pytest.approx(error) == min(notes["selection_error"].values())


def test_too_few_images_of_an_object_to_screen_on_are_named():
    label = np.array([0] * 6 + [1] * 6 + [2] * 2)
    with pytest.raises(DataError, match="only 2 groups of near-duplicate training images labelled disc, fewer than"):
        Screening.of(label, np.arange(14), 3, 1.0, 0, None, OBJECTS)
