"""The stage ``train``: one model, from images and labels to weights, scores and curves."""

from analysis.core import paths, settings, store
from analysis.core.files import write_csv, write_json
from analysis.core.numerics import fixed_threads
from analysis.models import data, network, registry
from analysis.models.train import scoring
from analysis.models.train.log import Log
from analysis.params import Params


def run(params: Params, model: str) -> None:
    """Train one model of ``params.yaml`` and write ``models/<model>/``.

    The store keeps unfinished work under a hash of everything that determines the result; an interrupted run resumes
    from there and ends with the same bytes.

    Raises
    ------
    DataError
        If there is no such model, the images are missing or lack a class, or training fails. If images shown in the
        recordings are missing or never annotated (`data.excuse`), a missing class is not an error: the metrics then say
        why the model is untrained, and later stages leave it out.
    """
    entry = params.models.entry(model)
    kind = registry.kind(entry.kind)  # first: fixed_threads limits only loaded libraries
    with fixed_threads():
        try:
            examples = data.load(entry.rules)
        except data.NoExamples as lack:
            if (why := data.excuse()) is None:
                raise
            return _write_untrained(entry, model, lack, why)
        origin = {"seed": params.seed, "images": examples.digest} | store.origin()
        with store.work_folder("train", {"entry": entry.model_dump()} | origin) as folder:
            log = Log(paths.MODELS / model)
            job = registry.Job(model, entry, examples, params.seed, settings.device(), folder, log, origin)
            fitted = kind.fit(job)
            _write(job, fitted)
            log.finish()


def _write_untrained(entry, model: str, lack: data.NoExamples, why: str) -> None:
    print(f"train {model}: {lack}; {why}, so this model is left untrained")
    about = {"model": model, "kind": entry.kind, "protocol": entry.protocol}
    write_json(paths.MODELS / model / "metrics.json", about | {"untrained": str(lack), "n": {}, "splits": {}})


def _write(job: registry.Job, fitted: registry.Fitted) -> None:
    """Write predictions, metrics, weights and configuration."""
    out, entry, examples = paths.MODELS / job.name, job.entry, job.examples
    x = registry.kind(entry.kind).inputs(examples, fitted.architecture)
    trained = fitted.network.to(job.device)
    table = scoring.classify(trained, x, examples, job.device)
    splits = scoring.accuracy(table)
    write_csv(out / "predictions.csv", table)
    write_json(
        out / "metrics.json",
        {name: splits["test"][name] for name in ("accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy")}
        | {
            "model": job.name,
            "kind": entry.kind,
            "protocol": entry.protocol,
            "selected_on": examples.selection,
            "n": {name: values["n"] for name, values in splits.items()},
            "parameters": sum(parameter.numel() for parameter in trained.parameters()),
            "splits": splits,
        }
        | fitted.metrics,
    )
    config = {
        "kind": entry.kind,
        "protocol": entry.protocol,
        "values": entry.model_dump(),
        "seed": job.seed,
        "architecture": fitted.architecture,
        "layers": list(trained.layer_names),
        "images": examples.digest,
        "notes": fitted.notes,
    }
    network.save(out, trained, config)
