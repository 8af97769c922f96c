"""The search of the report's HMO: who is judged on what, who goes on, and what happens to candidates that fail."""

import json
from pathlib import Path

import pytest
import torch

from analysis.core import cluster
from analysis.core.errors import DataError
from analysis.core.numerics import fixed_threads
from analysis.models import network, registry
from analysis.models.report_hmo import first_layer, random_cnn
from analysis.models.report_hmo.first_layer import Candidate, write_candidate
from analysis.models.train import training
from tests.models.test_report_hmo import values


def test_the_best_are_kept_and_the_failed_never():
    metrics = [(0.7, 0.5), (0.9, 0.6), (0.9, 0.4), None, (0.6, 0.1)]
    candidates = {
        number: Candidate(
            {"failed": "the loss is NaN or infinite"} if item is None else {"accuracy": item[0], "loss": item[1]}, {}
        )
        for number, item in enumerate(metrics)
    }
    assert first_layer.best(candidates, 3, "m") == [2, 1, 0]
    with pytest.raises(DataError, match=r"model m: only 4 of 5 candidates .*NaN or infinite.*models\.m\.candidates"):
        first_layer.best(candidates, 5, "m")


@pytest.mark.parametrize(("protocol", "selection"), [("corrected", "validation"), ("report", "test")])
def test_candidates_are_judged_on_the_split_the_protocol_names(project, tiny, tmp_path, protocol, selection):
    from analysis.models import data
    from analysis.models.train import stage as train
    from analysis.models.train.training import scores, split_of

    values = project(report_hmo=tiny["report_hmo"] | {"protocol": protocol})
    train.run(values, "report_hmo")
    config = network.read_config(Path("models/report_hmo"))
    metrics = json.loads(Path("models/report_hmo/metrics.json").read_text())
    assert metrics["selected_on"] == selection
    # Refit one kept candidate and judge it on that split by hand.
    entry = values.models.entry("report_hmo")
    examples = data.load(entry.rules)
    x = data.resized(examples.images, entry.size)
    splits = tuple(split_of(x, examples.label, examples.rows(name), "cpu") for name in ("train", selection))
    number = config["notes"]["kept_candidates"][0]
    seed = first_layer.seed_of(values.seed, "hmo_report", "candidate", number)
    drawn = random_cnn.random_module(entry, values.seed, "candidate", number)
    with fixed_threads(1):
        again = first_layer.fit_candidate(drawn, splits, network.Standardise().fit(splits[0].x), entry, seed, 2)
    assert again.metrics["accuracy"] == config["notes"]["candidates"][number]["accuracy"]
    # Its weights are the frozen layer N1 of the model: training the upper layers left them alone.
    hmo = registry.kind("report_hmo").build(config["architecture"])
    network.load_weights(hmo, Path("models/report_hmo/model.safetensors"))
    for name, value in again.tensors.items():
        assert torch.equal(value, hmo.N1.modules_[0].state_dict()[name])
    logits = scores(hmo, x).numpy()
    rows = examples.rows("test")
    assert metrics["accuracy"] == pytest.approx((logits[rows].argmax(1) == examples.label[rows]).mean())


@pytest.mark.parametrize(
    ("promising", "second", "third"), [("lowest_loss", [7, 8, 9, 10], [9, 10]), ("accuracy", [0, 1, 2, 3], [0, 1])]
)
def test_the_most_promising_are_trained_on_and_never_fewer_than_kept(project, tiny, promising, second, third):
    changed = {"candidates": 12, "kept": 2, "epochs": [1, 3, 9], "reduction": 3, "promising": promising}
    entry = project(report_hmo=tiny["report_hmo"] | changed).models.entry("report_hmo")
    ran = []

    def run_rung(numbers, rung, epochs):
        ran.append((rung, epochs, sorted(numbers)))
        return {
            number: Candidate({"failed": "the loss is NaN or infinite"}, {})
            if number == 11
            # Accuracy and the last epoch's loss say the reverse of the lowest loss.
            else Candidate(
                {"accuracy": 1 - number / 12, "loss": number + epochs, "lowest_loss": 1 - number / 12},
                {"w": torch.tensor([float(epochs)])},
            )
            for number in numbers
        }

    last, chosen = first_layer.successive_halving(entry, run_rung, "report_hmo")
    # A third of 12, then two, since so many are kept.
    assert ran == [(0, 1, list(range(12))), (1, 3, second), (2, 9, third)]
    assert chosen == third  # by accuracy
    assert last[third[0]].tensors["w"] == 9
    assert last[5].metrics["loss"] == 6  # of the rung where it stopped


def test_the_lowest_loss_is_of_any_epoch():
    history = [{"loss": 0.6, "accuracy": 0.7}, {"loss": 0.4, "accuracy": 0.8}, {"loss": 0.5, "accuracy": 0.9}]
    assert first_layer.summarised(history) == {"loss": 0.5, "accuracy": 0.9, "lowest_loss": 0.4}


def test_a_candidate_trained_in_rungs_is_the_one_trained_at_once(project, tmp_path):
    from analysis.models import data
    from analysis.models.train.training import split_of

    entry = project().models.entry("report_hmo")
    examples = data.load(entry.rules)
    x = data.resized(examples.images, entry.size)
    splits = tuple(split_of(x, examples.label, examples.rows(name), "cpu") for name in ("train", "validation"))
    drawn = values(2, 4, 3, "max", True)
    whole = first_layer.fit_candidate(drawn, splits, network.Standardise(), entry, 5, 4)
    checkpoint = tmp_path / "c.safetensors"
    for epochs in (1, 4):
        rungs = first_layer.fit_candidate(drawn, splits, network.Standardise(), entry, 5, epochs, checkpoint)
    assert rungs.metrics == whole.metrics
    for name, value in whole.tensors.items():
        assert torch.equal(value, rungs.tensors[name])


def test_values_of_the_training_reach_the_candidates(project, tiny):
    from analysis.models.train.training import Split

    x = torch.randint(0, 256, (40, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    split, plain = Split(x, torch.arange(40) % 2), {"flip": False, "shift": 0.0, "contrast": 0.0}

    def weights(**changed):
        entry = project(report_hmo=tiny["report_hmo"] | changed).models.entry("report_hmo")
        drawn = values(1, 4, 3, "max", False)
        return first_layer.fit_candidate(drawn, (split, split), network.Standardise(), entry, 5, 2).tensors

    whole = weights()
    for changed in ({"batch": 12}, {"learning_rate": 0.02}, {"precision": "bfloat16"}, {"augment": plain}):
        found = weights(**changed)
        assert any(not torch.equal(value, found[name]) for name, value in whole.items()), changed


def test_a_candidate_that_fails_is_marked_and_the_search_goes_on(project, monkeypatch):
    from analysis.models.train import stage as train

    real = first_layer.train_network

    def broken(module, *rest, **kwargs):
        if isinstance(module, random_cnn.CandidateCNN) and module.module.convolutions[0].kernel_size == (5, 5):
            with torch.no_grad():
                module.classify.bias.fill_(float("nan"))
        return real(module, *rest, **kwargs)

    monkeypatch.setattr(first_layer, "train_network", broken)
    values = project()
    drawn = [
        random_cnn.random_module(values.models.entry("report_hmo"), values.seed, "candidate", n)["kernel"]
        for n in range(4)
    ]
    assert drawn.count(3) >= 2
    assert 5 in drawn
    train.run(values, "report_hmo")
    notes = network.read_config(Path("models/report_hmo"))["notes"]
    failed = [number for number, item in enumerate(notes["candidates"]) if "failed" in item]
    assert failed == [number for number, kernel in enumerate(drawn) if kernel == 5]
    assert not set(failed) & set(notes["kept_candidates"])


def test_search_on_two_workers_gives_the_same_bytes_as_here(project, tiny, monkeypatch):
    from analysis.models.train import stage as train

    values = project(report_hmo=tiny["report_hmo"] | {"candidates": 5})
    train.run(values, "report_hmo")
    here = {path.name: path.read_bytes() for path in Path("models/report_hmo").rglob("*") if path.is_file()}
    monkeypatch.setattr(first_layer, "IN_PROCESS", 0)
    monkeypatch.setenv("NNN_WORKERS", "2")
    train.run(values, "report_hmo")
    assert {path.name: path.read_bytes() for path in Path("models/report_hmo").rglob("*") if path.is_file()} == here


def test_a_candidate_whose_worker_is_killed_each_time_is_marked(project, tiny, monkeypatch):
    """As by a kernel out of memory. That such a death is reported so, tests/recordings/test_cluster.py shows."""
    from analysis.models.train import stage as train

    real = cluster.run_on

    def killed(client, function, tasks, **how):
        yield from real(client, function, {name: task for name, task in tasks.items() if name != "2"}, **how)
        if "2" in tasks:
            yield "2", f"{cluster.DIED} (KilledWorker)"

    monkeypatch.setattr(cluster, "run_on", killed)
    train.run(project(), "report_hmo")
    notes = network.read_config(Path("models/report_hmo"))["notes"]
    assert "its worker died" in notes["candidates"][2]["failed"]
    assert 2 not in notes["kept_candidates"]


def test_on_a_gpu_a_candidate_that_found_no_room_beside_others_trains_alone(project, tmp_path, monkeypatch):
    job = registry.Job(
        "report_hmo", project().models.entry("report_hmo"), None, 1, "cuda", tmp_path, lambda *_: None, {}
    )
    x = torch.randint(0, 256, (80, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    splits, asked = [training.Split(part.clone(), torch.arange(40) % 2) for part in x.split(40)], []

    def on_a_small_card(client, function, tasks, threads, gpu, share):
        asked.append((sorted(tasks), share))
        for name, (folder, rung, number, *rest) in tasks.items():
            if share is None and name in "12":
                reason = {"1": "the loss is NaN or infinite", "2": f"{training.OUT_OF_MEMORY}; lower batch"}[name]
                write_candidate(folder / f"rung{rung}", number, Candidate({"failed": reason}, {}))
            else:
                function(folder, rung, number, *rest[:-1], "cpu")
            yield name, None

    monkeypatch.setattr(cluster, "run_on", on_a_small_card)
    candidates, _ = first_layer.find(job, splits, network.Standardise())
    assert asked[:2] == [(["0", "1", "2", "3"], None), (["2"], 1)]
    assert [number for number, one in candidates.items() if "failed" in one.metrics] == [1]


def test_a_defect_stops_the_search_and_names_the_candidate(project, monkeypatch, capsys):
    from analysis.models.train import stage as train

    def defect(folder, rung, number, *rest):
        raise ZeroDivisionError("of mine")

    monkeypatch.setattr(first_layer, "run_candidate", defect)
    with pytest.raises(DataError, match=r"model report_hmo: candidate \d: unexpected ZeroDivisionError: of mine"):
        train.run(project(), "report_hmo")
    assert "Traceback" in capsys.readouterr().err


def test_the_cost_of_a_candidate_is_the_products_of_its_convolutions():
    # Products of the convolutions of a 16 x 16 image, by hand: 9 * 3 * 4 * 256, then 9 * 4 * 4 * 64.
    assert first_layer.cost(values(2, 4, 3, "max", True), 16) == 9 * 4 * (3 * 256 + 4 * 64)
