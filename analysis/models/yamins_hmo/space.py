"""The search space of HMO, with the ranges of Yamins et al. (2014) and their earlier public code.

`layers` explains the values. Sizes and numbers of filters are parameters, since they determine the cost of a search;
the other ranges are fixed here.
"""

from collections.abc import Sequence

from optuna.trial import BaseTrial

Range = Sequence[int]
"""Minimum and maximum."""


def layer(trial: BaseTrial, name: str, n_filt: Range | int, k_filt: Range) -> dict:
    """Sample the values of one layer; their names in the trial begin with `name`.

    `n_filt` is the range of the number of filters, in steps of 4 on a log scale, or their fixed number; `k_filt` is the
    range of their size.
    """
    fixed = isinstance(n_filt, int)
    return {
        # optuna has no steps on a log scale, so search over the number of steps
        "n_filt": n_filt if fixed else 4 * trial.suggest_int(f"{name}.fours", n_filt[0] // 4, n_filt[1] // 4, log=True),
        "k_filt": trial.suggest_int(f"{name}.k_filt", *k_filt),
        "fmean": trial.suggest_float(f"{name}.fmean", -0.2, 0.2),
        "fnorm": trial.suggest_float(f"{name}.fnorm", 0.8, 1.2),
        "min_out": _or_none(trial, f"{name}.min_out", -0.3, 0.2),
        "max_out": _or_none(trial, f"{name}.max_out", 0.8, 1.3),
        "pool_k": trial.suggest_int(f"{name}.pool_k", 2, 9),
        "pool_p": trial.suggest_float(f"{name}.pool_p", 1, 50, log=True),
        "norm_k": trial.suggest_int(f"{name}.norm_k", 3, 9),
        "stretch": trial.suggest_float(f"{name}.stretch", 0.03, 30, log=True),
        "threshold": _or_none(trial, f"{name}.threshold", 0.03, 30, log=True),
        "remove_mean": trial.suggest_categorical(f"{name}.remove_mean", [True, False]),
    }


def _or_none(trial: BaseTrial, name: str, low: float, high: float, log: bool = False) -> float | None:
    if not trial.suggest_categorical(f"{name}?", [True, False]):
        return None
    return trial.suggest_float(name, low, high, log=log)


def module(trial: BaseTrial, n_filt: Sequence[Range | int], k_filt: Range) -> dict:
    """Sample the values of a module of one to ``len(n_filt)`` layers."""
    depth = trial.suggest_int("depth", 1, len(n_filt)) if len(n_filt) > 1 else 1
    return {
        "in_norm_k": trial.suggest_int("in_norm_k", 3, 9),
        "layers": [layer(trial, f"L{number + 1}", n_filt[number], k_filt) for number in range(depth)],
    }
