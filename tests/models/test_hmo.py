import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from analysis.core import paths
from analysis.core.errors import DataError
from analysis.core.numerics import fixed_threads
from analysis.models import data, network, registry
from analysis.models.activations import read as activations
from analysis.models.activations import stage as activations_stage
from analysis.models.train import stage as train
from analysis.models.train.training import scores
from analysis.models.yamins_hmo import boosting
from analysis.models.yamins_hmo import layers as hmo_layers
from analysis.models.yamins_hmo import procedure as hmo
from tests.models.test_stages import digests, kill_when
from tests.project import ROOT

MODEL = "hmo"
FOLDERS = (paths.MODELS / MODEL, paths.ACTIVATIONS / MODEL)


def trained(values):
    """Train the model and return its configuration and the network."""
    train.run(values, MODEL)
    config = network.read_config(FOLDERS[0])
    made = registry.kind("hmo").build(config["architecture"])
    network.load_weights(made, FOLDERS[0] / network.WEIGHTS)
    return config, made


def mislabel():
    """Swap the label of every fifth pair of near-duplicates, so that no module is without error."""
    table = pd.read_csv("data/stimuli/images.csv")
    swapped = table["label"].replace({"face": "non-face", "non-face": "face"})
    table["label"] = table["label"].where(table["group"] % 5 != 0, swapped)
    table.to_csv("data/stimuli/images.csv", index=False)


def test_two_stages_give_named_layers_and_the_asked_number_of_outputs(project, tiny):
    config, made = trained(project())
    assert config["layers"][-2:] == ["L4", "top"]
    assert [len(config["architecture"][stage]) for stage in ("first", "second")] == [2, 2]
    assert all(len(one["layers"]) == 1 for one in config["architecture"]["second"])
    first = config["architecture"]["first"]
    maps = made.maps(torch.rand((3, 3, 16, 16), generator=torch.Generator().manual_seed(0)))
    assert list(maps) == config["layers"]
    assert maps["L1"].shape[1:] == (sum(one["layers"][0]["n_filt"] for one in first), 8, 8)
    if "L2" in maps:
        assert maps["L2"].shape[1:] == (
            sum(one["layers"][1]["n_filt"] for one in first if len(one["layers"]) > 1),
            4,
            4,
        )
    assert maps["L4"].shape == (3, 16, 2, 2)
    np.testing.assert_allclose(maps["top"], maps["L4"].mean((2, 3)), atol=1e-6)
    assert made.read_out(maps["top"]).shape == (3, 2)


def test_default_has_the_1250_outputs_of_the_paper():
    from analysis.params import load

    entry = load(ROOT / "params.yaml").models.entry("hmo")
    assert entry.top == 1250
    assert entry.top % entry.second.modules == 0
    module = {"in_norm_k": 3, "layers": [{"n_filt": 125, "k_filt": 3}]}
    made = hmo.build(
        {"first": [{"in_norm_k": 3, "layers": [{"n_filt": 8, "k_filt": 3}]}], "second": [module] * 10, "grid": 4}
    )
    assert made.read_out.linear.weight.shape == (2, 1250)


def test_the_first_rounds_are_the_procedure_by_hand(project, monkeypatch):
    """The chosen candidate, its loss and the weights of the next round, from the images again."""
    seen = []
    real = hmo.search_round

    def watch(job, stage, screening, name, weights, margin, candidates):
        tried = real(job, stage, screening, name, weights, margin, candidates)
        seen.append((stage, screening, name, weights, tried))
        return tried

    monkeypatch.setattr(hmo, "search_round", watch)
    mislabel()
    values = project()
    config, made = trained(values)
    assert [(stage.name, name) for stage, _, name, _, _ in seen] == [
        ("first", 0), ("first", 1), ("second", 0), ("second", 1),
    ]  # fmt: skip
    stage, screening, _, weights, tried = seen[0]
    examples = data.load(values.models.entry(MODEL).rules)
    rows = examples.rows("train")
    np.testing.assert_array_equal(screening.y, [np.where(examples.label[rows] == 1, 1, -1)])
    np.testing.assert_allclose(weights, boosting.balanced(screening.tasks))
    groups = examples.table["group"].to_numpy()[rows]
    assert all(len(set(screening.folds[groups == group])) == 1 for group in groups)
    losses = []
    for one in tried:
        seed = hmo.seed_of(values.seed, "hmo", "filters", "first", 0, one.number)
        module = hmo_layers.Module(3, one.values).draw(seed)
        decision = screening.decisions(hmo.maps_of(module, stage.x, 4), weights)
        losses.append(weights[np.sign(decision) != screening.tasks].sum())
        assert one.told.loss == pytest.approx(losses[-1], abs=0.03)  # one thread, not two: a tie may fall otherwise
    best = min(tried, key=lambda one: (one.told.loss, one.number))
    assert config["architecture"]["first"][0] == best.values
    assert config["notes"]["rounds"]["first"][0]["candidate"] == best.number
    decision = screening.decisions(hmo.maps_of(made.first[0], stage.x, 4), weights)
    np.testing.assert_allclose(seen[1][3], boosting.reweighted(weights, screening.tasks, decision))
    assert not np.allclose(seen[1][3], weights)
    np.testing.assert_allclose(seen[2][3], boosting.balanced(screening.tasks))  # the second stage begins anew
    assert seen[2][0].x.shape[1] == sum(len(one.layers[-1].weight) for one in made.first)


def test_each_round_is_weighted_by_all_before_it_and_asks_anew(project, tiny, monkeypatch):
    """Three rounds: from the second on, weights follow from those of the round before, not from balanced ones."""
    seen, real = [], hmo.search_round

    def watch(job, stage, screening, name, weights, *rest):
        tried = real(job, stage, screening, name, weights, *rest)
        seen.append((stage, screening, weights, tried))
        return tried

    monkeypatch.setattr(hmo, "search_round", watch)
    mislabel()
    values = project(**{MODEL: tiny[MODEL] | {"first": {"modules": 3, "candidates": 4}}})
    _, made = trained(values)
    for number in range(2):
        stage, screening, weights, _ = seen[number]
        maps = [hmo.maps_of(module, stage.x, 4).flatten(1) for module in made.first[: number + 1]]
        decision = screening.decisions(torch.cat(maps, 1), weights)
        np.testing.assert_allclose(seen[number + 1][2], boosting.reweighted(weights, screening.tasks, decision))
        assert np.ptp(seen[number + 1][2] / weights) > 0.01
    # What the search of a later round makes small is the error under its own weights.
    stage, screening, weights, tried = seen[2]
    gaps = []
    with fixed_threads(1):
        for one in tried:
            seed = hmo.seed_of(values.seed, "hmo", "filters", "first", 2, one.number)
            maps = hmo.maps_of(hmo_layers.Module(3, one.values).draw(seed), stage.x, 4)
            wrong = np.sign(screening.decisions(maps, weights)) != screening.tasks
            assert one.told.loss == pytest.approx(weights[wrong].sum())
            gaps.append(abs(one.told.loss - boosting.balanced(screening.tasks)[wrong].sum()))
    assert max(gaps) > 0.01
    asked = [one.values["layers"][0]["fmean"] for *_, tried in seen[:3] for one in tried]
    assert len(set(asked)) == len(asked) == 12
    # What the second stage was searched on is what the network gives it.
    top = torch.cat([hmo.maps_of(module, seen[-1][0].x, None) for module in made.second], 1)
    torch.testing.assert_close(made.maps(seen[0][0].x)["top"], top, atol=1e-5, rtol=1e-4)


def test_C_is_that_of_least_error_on_the_selection_images(project, tiny):
    mislabel()
    values = project(**{MODEL: tiny[MODEL] | {"Cs": [0.001, 0.1, 100.0]}})
    config, made = trained(values)
    errors = config["notes"]["selection_error"]
    assert len(set(errors.values())) > 1
    assert errors[str(config["notes"]["C"])] == min(errors.values())
    examples = data.load(values.models.entry(MODEL).rules)
    rows = examples.rows("validation")
    hit = scores(made, data.resized(examples.images[rows], 16)).argmax(1).numpy() == examples.label[rows]
    balanced = np.mean([hit[examples.label[rows] == label].mean() for label in (0, 1)])
    assert 1 - balanced == pytest.approx(min(errors.values()))


def test_validation_and_test_images_play_no_part_in_the_search(project):
    """Other labels there change neither modules nor filters."""
    config, made = trained(project())
    table = pd.read_csv("data/stimuli/images.csv")
    swapped = table["label"].replace({"face": "non-face", "non-face": "face"})
    table["label"] = table["label"].where(table["split"] == "train", swapped)
    table.to_csv("data/stimuli/images.csv", index=False)
    again, made_again = trained(project())
    assert again["images"] != config["images"]
    assert again["architecture"] == config["architecture"]
    for one, two in zip(made.first.parameters(), made_again.first.parameters(), strict=True):
        assert torch.equal(one, two)


VARIANTS = {
    "boosting": {},
    "none": {"weights": "none"},
    "margin": {"weights": "margin"},
    "random": {"search": "random"},
    "trained": {"filters": "trained"},
}


def test_variants_differ_where_they_should(project, tiny):
    found, losses = {}, {}
    for name, changed in VARIANTS.items():
        found[name] = trained(project(**{MODEL: tiny[MODEL] | changed}))
        losses[name] = (FOLDERS[0] / "history.csv").read_text()
    first = {name: config["architecture"]["first"] for name, (config, _) in found.items()}
    # The first module comes before any boosting: the same but for the sampler and the number of candidates.
    assert first["margin"][0] == first["trained"][0] == first["boosting"][0]
    assert first["none"] != first["boosting"]
    assert len(set(losses.values())) == len(VARIANTS)
    weights = {name: made.first[0].layers[0].weight for name, (_, made) in found.items()}
    assert torch.equal(weights["margin"], weights["boosting"])
    assert not torch.equal(weights["trained"], weights["boosting"])
    logits = {name: scores(made, torch.full((1, 3, 16, 16), 0.3)) for name, (_, made) in found.items()}
    assert len({tuple(one[0].tolist()) for one in logits.values()}) == len(VARIANTS)
    assert found["none"][0]["notes"]["rounds"]["first"] == []
    # Its one search tries as many candidates as all rounds of the full procedure.
    assert [losses["none"].count(f"first-{name},") for name in ("all", 0)] == [8, 0]
    assert [losses["boosting"].count(f"first-{name},") for name in ("all", 0, 1)] == [0, 4, 4]


def test_the_result_does_not_depend_on_the_number_of_workers(project, monkeypatch):
    found = []
    for workers in ("1", "2"):
        monkeypatch.setenv("NNN_WORKERS", workers)
        train.run(project(), MODEL)
        found.append(digests(FOLDERS[0]))
    assert found[0] == found[1]


def test_killed_in_the_search_it_ends_with_the_same_bytes(project, tiny, tmp_path):
    """SIGKILL in each stage; a candidate that the journal holds is not computed again."""
    values = project(**{MODEL: tiny[MODEL] | {"first": {"modules": 2, "candidates": 8}}})
    train.run(values, MODEL)
    undisturbed = digests(FOLDERS[0])
    shutil.rmtree(FOLDERS[0])
    work = tmp_path / "store" / "work"
    code = f"from analysis import params; from analysis.models.train import stage; stage.run(params.load(), '{MODEL}')"

    def told(name):
        return sum(path.read_bytes().count(b'"op_code":4') for path in work.glob(f"train-*/{name}.journal"))

    for name, least in (("first-1", 2), ("second-0", 1)):
        kill_when(code, lambda name=name, least=least: told(name) >= least)
        assert not (FOLDERS[0] / "config.json").exists()
    kept = told("first-*")
    assert kept == 16
    train.run(values, MODEL)
    assert digests(FOLDERS[0]) == undisturbed
    assert not list(work.glob("*/*"))


def test_a_candidate_that_fails_is_marked_and_the_search_goes_on(project, tiny, monkeypatch):
    real = hmo.maps_of
    failed = []

    def broken(module, x, grid):
        maps = real(module, x, grid)
        if isinstance(module, hmo_layers.Module) and len(failed) < 3 and module.layers[0].weight.shape[1] == 3:
            failed.append(module)
            if len(failed) == 1:
                raise MemoryError
            if len(failed) == 2:
                torch.empty(2**60)  # more than any machine has
            maps[0] = torch.nan
        return maps

    monkeypatch.setattr(hmo, "maps_of", broken)
    config, _ = trained(project())
    assert len(failed) == 3
    assert config["notes"]["rounds"]["first"][0]["candidate"] > 1
    monkeypatch.setattr(hmo, "maps_of", lambda *_: torch.empty(2**60))
    with pytest.raises(DataError, match=r"only 0 of 4 candidates .*out of memory.*models\.hmo\.first\.candidates"):
        train.run(project(**{MODEL: tiny[MODEL] | {"C": 2.0}}), MODEL)


def test_a_defect_stops_the_search(project, monkeypatch):
    monkeypatch.setattr(hmo, "maps_of", lambda module, x, grid: x.float() @ torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="shape"):
        train.run(project(), MODEL)


def test_too_few_groups_for_the_folds_is_one_line(project, tiny):
    with pytest.raises(
        DataError, match=r"groups of near-duplicate training images labelled .*, fewer than the 40 folds: lower"
    ):
        train.run(project(**{MODEL: tiny[MODEL] | {"folds": 40}}), MODEL)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"top": 17}, r"top = 17 is not a multiple of second\.modules = 2"),
        ({"n_filt": [[6, 8]]}, r"n_filt = \[6, 8\]: give multiples of 4"),
        ({"k_filt": [5, 3]}, r"k_filt = \[5, 3\]: give the minimum, then the maximum"),
        ({"size": 8, "n_filt": [[4, 8]] * 3, "weights": "other"}, r"models\.hmo\.weights"),
    ],
)
def test_impossible_values_are_named(project, tiny, changed, said):
    with pytest.raises(DataError, match=said):
        project(**{MODEL: tiny[MODEL] | changed})


def test_activations_are_written_for_every_layer(project):
    values = project()
    config, made = trained(values)
    activations_stage.run(values, MODEL)
    assert activations.layers(MODEL) == config["layers"]
    examples = data.load(values.models.entry(MODEL).rules)
    x = data.resized(examples.images, 16)
    _, top = activations.read(MODEL, "top")
    with torch.no_grad():
        np.testing.assert_allclose(top, made.maps(x)["top"], atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
def test_a_search_on_a_cuda_device_finds_modules_as_good(project, monkeypatch):
    config, _ = trained(project())
    monkeypatch.setenv("NNN_DEVICE", "cuda")
    on_cuda, _ = trained(project())
    losses = [[one["loss"] for one in c["notes"]["rounds"]["first"]] for c in (config, on_cuda)]
    np.testing.assert_allclose(*losses, atol=0.1)
