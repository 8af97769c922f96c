import numpy as np
import pytest
import torch
from torch import nn

from analysis.models import network
from analysis.models.train import training
from analysis.models.train.adam import Adam
from analysis.models.train.augment import augmenter, draw
from analysis.params.kinds import Augment


def examples(n=40, seed=0):
    draw = np.random.default_rng(seed)
    y = (np.arange(n) % 4 == 0).astype(np.int64)
    x = (draw.normal(size=(n, 3)) + 2 * y[:, None]).astype(np.float32)
    return training.Split(torch.from_numpy(x), torch.from_numpy(y))


def net(seed=1):
    module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.2), nn.ReLU(), nn.Linear(8, 2))
    network.glorot_(module, torch.Generator().manual_seed(seed))
    return module


def plan(**changed):
    return training.Plan(**{"epochs": 6, "batch": 8, "learning_rate": 0.01} | changed)


def test_it_learns_both_classes():
    module = net()
    history = training.train_network(module, examples(), examples(seed=1), plan(epochs=20), 7)
    assert len(history) == 20
    assert history[-1]["balanced_accuracy"] > 0.85
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_class_weights_make_classes_count_the_same():
    y = torch.tensor([0, 0, 0, 1])
    weights = training.class_weights(y)
    assert float(weights[y[y == 0]].sum()) == pytest.approx(float(weights[y[y == 1]].sum()))


def test_a_rare_class_is_not_outvoted():
    """Where inputs say nothing, both classes are as likely, though one of four images is of the one."""
    train = training.Split(torch.zeros((40, 3)), examples().y)
    module = nn.Linear(3, 2)
    network.glorot_(module, torch.Generator().manual_seed(0))
    with torch.no_grad():
        module.bias.copy_(torch.tensor([1.0, 0.0]))
    training.train_network(module, train, None, plan(epochs=60, batch=40, learning_rate=0.05), 7)
    chance = torch.softmax(training.scores(module, train.x[:1]), 1)[0]
    torch.testing.assert_close(chance, torch.tensor([0.5, 0.5]), atol=0.02, rtol=0)


@pytest.mark.parametrize(("patience", "best"), [(0, "late"), (2, "late"), (5, "first")])
@pytest.mark.parametrize("cut_after", [0, 2, 4])
def test_a_cut_training_ends_with_the_same_bytes(tmp_path, patience, best, cut_after):
    """Also where the best epoch lies before the cut."""
    whole, train, selection = net(), examples(), examples(seed=1)
    if best == "first":
        selection = training.Split(selection.x, 1 - selection.y)
    history = training.train_network(whole, train, selection, plan(patience=patience), 7)

    def cut(epoch, _metrics):
        if epoch == cut_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training.train_network(net(), train, selection, plan(patience=patience), 7, tmp_path / "c.safetensors", cut)
    resumed, seen = net(seed=99), []
    again = training.train_network(
        resumed, train, selection, plan(patience=patience), 7, tmp_path / "c.safetensors", lambda *a: seen.append(a)
    )
    assert again == history
    assert [epoch for epoch, _ in seen] == list(range(len(history)))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adam_against_torch(decay):
    ours, theirs, frozen = net(), net(), net()
    frozen.requires_grad_(False)
    adam = Adam([*ours.parameters(), *frozen.parameters()], 0.01, decay)
    reference = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=decay, eps=1e-7)
    x, start = examples().x, net()[0].weight.clone()
    for _ in range(30):
        for module in (ours, theirs):
            module.eval()(x).square().sum().backward()
        adam.step()
        reference.step()
        reference.zero_grad()
    assert not torch.allclose(ours[0].weight, start, atol=0.05)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
    assert torch.equal(frozen[0].weight, net()[0].weight)


def test_adam_reads_a_gradient_of_another_layout_as_it_is():
    start, gradient = torch.randn(6, 4, 3, 3), torch.randn(6, 4, 3, 3)
    results = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = start.clone(memory_format=layout).requires_grad_()
        adam = Adam([weight], 0.01)
        weight.grad = gradient.clone(memory_format=torch.contiguous_format)
        adam.step()
        results.append(weight.detach().contiguous())
    assert torch.equal(*results)


def test_bfloat16_rounds_the_products_and_nothing_else():
    train, module = examples(), nn.Linear(3, 2)
    network.glorot_(module, torch.Generator().manual_seed(1))
    exact = nn.Linear(3, 2)
    exact.load_state_dict(module.state_dict())
    seen = []
    module.register_forward_hook(lambda _m, _i, output: seen.append(output.dtype) and None)
    history = training.train_network(module, train, train, plan(epochs=5, precision="bfloat16"), 7)
    training.train_network(exact, train, train, plan(epochs=5), 7)
    assert set(seen) == {torch.bfloat16, torch.float32}  # of training, and of the judgement on the selection split
    assert module.weight.dtype == torch.float32
    assert not torch.equal(module.weight, exact.weight)
    torch.testing.assert_close(module.weight, exact.weight, atol=0.02, rtol=0)
    logits = training.scores(module, train.x)
    assert history[-1]["accuracy"] == pytest.approx(float((logits.argmax(1) == train.y).double().mean()))


def test_another_seed_gives_another_network():
    a, b = net(), net()
    training.train_network(a, examples(), None, plan(), 7)
    training.train_network(b, examples(), None, plan(), 8)
    assert not torch.equal(a[0].weight, b[0].weight)


def test_early_stopping_keeps_the_best_epoch():
    module, train = net(), examples()
    wrong = training.Split(train.x, 1 - train.y)  # the better the training, the worse the selection loss
    history = training.train_network(module, train, wrong, plan(epochs=30, patience=3), 7)
    losses = [metrics["loss"] for metrics in history]
    assert len(history) < 30
    assert len(losses) - 1 - int(np.argmin(losses)) == 3
    kept = training.evaluate(module, wrong, training.class_weights(train.y))
    assert kept["loss"] == min(losses)


def test_the_best_epoch_may_lie_between():
    """The loss falls while the rule is learned, and rises when the training grows too sure for wrong labels."""
    train, selection = examples(), examples(seed=1)
    wrong = torch.where(torch.arange(40) % 5 == 0, 1 - selection.y, selection.y)
    module = nn.Linear(3, 2)
    network.glorot_(module, torch.Generator().manual_seed(0))
    selection = training.Split(selection.x, wrong)
    history = training.train_network(module, train, selection, plan(epochs=60, learning_rate=0.05, patience=4), 7)
    losses = [metrics["loss"] for metrics in history]
    assert 0 < int(np.argmin(losses)) == len(losses) - 5 < 55
    assert training.evaluate(module, selection, training.class_weights(train.y))["loss"] == min(losses)


def test_each_epoch_has_all_images_in_an_order_of_its_own():
    seen, train = [], examples()
    training.train_network(net(), train, None, plan(epochs=3, augment=lambda x, _: seen.append(x) or x), 7)
    assert [len(x) for x in seen] == [8] * 15
    epochs = torch.cat(seen).view(3, 40, 3)
    for epoch in epochs:
        assert torch.equal(epoch.sort(0).values, train.x.sort(0).values)
    assert len({tuple(epoch[:, 0].tolist()) for epoch in [*epochs, train.x]}) == 4


def test_loss_that_is_not_a_number_fails_the_training():
    train = examples()
    train.x[3, 1] = float("nan")
    with pytest.raises(training.TrainingFailed, match="NaN or infinite in epoch 1; lower learning_rate"):
        training.train_network(net(), train, None, plan(), 7)


def test_out_of_memory_fails_the_training():
    class Huge(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(2, 3))

        def forward(self, x):
            torch.empty(2**60)
            return x @ self.w.T

    with pytest.raises(training.TrainingFailed, match="out of memory; lower batch or size"):
        training.train_network(Huge(), examples(), None, plan(), 7)


def test_other_errors_are_not_taken_for_memory():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(5, 2))

        def forward(self, x):
            return x @ self.w

    with pytest.raises(RuntimeError, match="shapes"):
        training.train_network(Broken(), examples(), None, plan(), 7)


def test_augmentation_flips_shifts_and_scales():
    x = torch.rand((64, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    draws = draw(64, torch.Generator().manual_seed(1))
    assert augmenter(Augment(flip=False, shift=0, contrast=0)) is None
    flipped = augmenter(Augment(flip=True, shift=0, contrast=0))(x, draws)
    is_flip = torch.tensor([torch.allclose(a, b.flip(2), atol=1e-5) for a, b in zip(flipped, x, strict=True)])
    is_same = torch.tensor([torch.allclose(a, b, atol=1e-5) for a, b in zip(flipped, x, strict=True)])
    assert bool((is_flip ^ is_same).all())
    assert 16 < int(is_flip.sum()) < 48
    shifted = augmenter(Augment(flip=False, shift=0.25, contrast=0))(torch.ones(64, 3, 8, 8), draws)
    assert 0.5 < float(shifted.min()) < 0.52  # the grey that moved in
    contrast = augmenter(Augment(flip=False, shift=0, contrast=0.5))(x, draws)
    ratio = contrast.flatten(1).std(1) / x.flatten(1).std(1)
    assert 0.45 < float(ratio.min()) < 0.7
    again = augmenter(Augment(flip=True, shift=0.1, contrast=0.5))
    assert torch.equal(again(x, draws), again(x, draws))
