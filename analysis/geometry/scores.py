"""Rank correlations of models' RDMs with published ones, with intervals, tests and noise ceilings."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.core.seeds import seed_of
from analysis.params import Compare
from analysis.statistics import RDM, compare_rdms, contrast, holm, label_rdms, noise_ceiling, partial_rho, rsa_draws
from analysis.statistics.inference.two_factor import ScoreDraws
from analysis.statistics.rsa.rdm import upper
from analysis.statistics.rsa.significance import add_p_values, null_correlations

METHOD = "rho-a"
COLUMNS = ["model", "layer", "system", "n_images", "rho", "rho_low", "rho_high", "p", "p_max"]
COLUMNS += ["partial", "partial_low", "partial_high", "p_partial"]
CONTRASTS = ["model", "other", "layer", "system", "difference", "low", "high", "p", "p_holm"]
BASELINE = "pixels"
"""The model that others are compared with."""


def apart(label: np.ndarray, images: Sequence[str]) -> RDM:
    """Return the RDM of a label: 1 between images with and without it, 0 otherwise."""
    return RDM(upper((label[:, None] != label[None, :]).astype(np.float64)), "label", tuple(images))


def draws(
    models: Mapping[tuple[str, str], RDM], system: str, neural: RDM, settings: Compare, seed: int
) -> dict[tuple[str, str], ScoreDraws]:
    """Return each layer's rho-a with a system in bootstrap draws of images, the same draws for all."""
    options = {"n_draws": settings.bootstrap, "seed": seed_of(seed, "geometry", system)}
    found = rsa_draws({str(key): [rdm] for key, rdm in models.items()}, [neural], METHOD, **options)
    return {key: found[str(key)] for key in models}


def rows(
    models: Mapping[tuple[str, str], RDM],
    drawn: Mapping[tuple[str, str], ScoreDraws],
    system: str,
    neural: RDM,
    labels: Mapping[str, np.ndarray],
    settings: Compare,
    seed: int,
) -> pd.DataFrame:
    """Score every layer of every model against one system.

    Parameters
    ----------
    models : mapping from (model, layer) to RDM
    drawn : mapping from (model, layer) to ScoreDraws
        From `draws`.
    system, neural : str, RDM
        Name and RDM of the system.
    labels : mapping from str to (n_images,) bool
        Held constant jointly in ``partial``: each pair of their combinations has its own mean dissimilarity.
    settings : Compare
        Numbers of draws and permutations.
    seed : int

    Returns
    -------
    DataFrame of `COLUMNS`
        ``rho``: rho-a; ``p``: one-sided, under permutations of images; ``p_max``: corrected for all layers of all
        models; ``partial``: partial Spearman correlation, with p under permutations among images of the same labels.
    """
    seed = seed_of(seed, "geometry", system)
    combined = [" ".join(str(int(has)) for has in image) for image in np.stack(list(labels.values()), axis=1)]
    given = label_rdms(combined, neural.images)
    null = null_correlations(list(models.values()), neural, settings.permutations, seed)
    table = []
    for (model, layer), rdm in models.items():
        interval = drawn[model, layer].interval()
        beyond = partial_rho(
            rdm,
            neural,
            given,
            strata=combined,
            n_permutations=settings.permutations,
            n_draws=settings.bootstrap,
            seed=seed,
        )
        scores = {"rho": interval.estimate, "rho_low": interval.low, "rho_high": interval.high}
        scores |= {"partial": beyond.partial, "partial_low": beyond.low, "partial_high": beyond.high}
        about = {"model": model, "layer": layer, "system": system, "n_images": neural.n_images}
        table.append(about | scores | {"p_partial": beyond.p})
    found = pd.DataFrame(table)
    tested = add_p_values(found.assign(protocol="", region=system, recordings=1), null[1:])
    return found.assign(p=tested["p"].to_numpy(), p_max=tested["p_max"].to_numpy())[COLUMNS]


def contrasts(drawn: Mapping[tuple[str, str], ScoreDraws], tops: Mapping[str, str], system: str) -> pd.DataFrame:
    """Compare the top layer of each model with that of `BASELINE` on the same draws of images.

    Returns
    -------
    DataFrame of `CONTRASTS`
        ``difference``: first minus second; ``p_holm``: corrected for all contrasts with this system (Holm 1979).
    """
    if BASELINE not in tops:
        return pd.DataFrame(columns=CONTRASTS)
    family = []
    for model, layer in tops.items():
        if model != BASELINE:
            found = contrast(drawn[model, layer], drawn[BASELINE, tops[BASELINE]])
            family.append({"model": model, "other": BASELINE, "layer": layer, "system": system, **vars(found)})
    adjusted = holm(np.array([row["p"] for row in family]))
    table = [row | {"p_holm": p} for row, p in zip(family, adjusted, strict=True)]
    return pd.DataFrame(table, columns=CONTRASTS)


def reference(
    systems: Mapping[str, RDM],
    subjects: Mapping[str, list[RDM]],
    labels: Mapping[str, np.ndarray],
    pixels: RDM,
) -> dict:
    """Return the reference values for the models' scores, all rho-a.

    Returns
    -------
    dict
        ``systems``: each pair of systems; ``ceilings``: for a system with subjects, bounds on the mean correlation of
        the true model with a subject (`noise_ceiling`); ``with_subjects``: mean correlation of each other system with
        the subjects; ``labels`` and ``image_pixels``: their correlations with each system.
    """
    names = list(systems)
    pairs = [(a, b) for k, a in enumerate(names) for b in names[k + 1 :]]
    ceilings, with_subjects = {}, {}
    for owner, rdms in subjects.items():
        lower, high = noise_ceiling(rdms, METHOD)
        ceilings[owner] = {"subjects": len(rdms), "lower": lower, "upper": high}
        for name in names:
            if name != owner:
                each = [compare_rdms(systems[name], rdm, METHOD) for rdm in rdms]
                with_subjects[f"{name}, {owner}"] = float(np.mean(each))
    images = next(iter(systems.values())).images
    of_labels = {name: apart(has, images) for name, has in labels.items()}
    return {
        "systems": {f"{a}, {b}": compare_rdms(systems[a], systems[b], METHOD) for a, b in pairs},
        "ceilings": ceilings,
        "with_subjects": with_subjects,
        "labels": {
            name: {system: compare_rdms(rdm, neural, METHOD) for system, neural in systems.items()}
            for name, rdm in of_labels.items()
        },
        "image_pixels": {system: compare_rdms(pixels, neural, METHOD) for system, neural in systems.items()},
    }
