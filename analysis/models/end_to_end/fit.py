"""Train a network end to end."""

import torch

from analysis.core.errors import DataError
from analysis.core.seeds import seed_of
from analysis.models.network import Network, glorot_
from analysis.models.registry import Fitted, Job
from analysis.models.train.augment import augmenter
from analysis.models.train.training import Plan, TrainingFailed, read_splits, train_network


def fit_end_to_end(job: Job, network: Network, architecture: dict, initialise=glorot_) -> Fitted:
    """Train `network` with the parameters of an `EndToEnd` entry, with early stopping on the selection split.

    Its inputs pass through ``network.standardise``, a `Standardise`. Raises `DataError` if the training fails: the loss
    is NaN or infinite, or memory runs out.
    """
    entry = job.entry
    seed = seed_of(job.seed, entry.kind)
    if initialise is not None:
        initialise(network, torch.Generator().manual_seed(seed))
    network.to(job.device, memory_format=torch.channels_last)
    train, selection = read_splits(job.examples, architecture["size"], job.device)
    if entry.inputs == "standardised":
        network.standardise.fit(train.x)
    plan = Plan(
        epochs=entry.epochs,
        batch=entry.batch,
        learning_rate=entry.learning_rate,
        weight_decay=entry.weight_decay,
        patience=entry.patience,
        augment=augmenter(entry.augment),
        precision=entry.precision,
    )
    checkpoint = job.folder / "training.safetensors"
    try:
        history = train_network(
            network, train, selection, plan, seed, checkpoint, lambda *epoch: job.log("final", *epoch)
        )
    except TrainingFailed as error:
        raise DataError(f"model {job.name}: {error} in models.{job.name}") from error
    return Fitted(network, architecture, {"epochs_run": len(history)})
