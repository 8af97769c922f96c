"""The numbers of ``results/audit/summary.json``, from the tables beside it."""

import pandas as pd

from analysis.models.train.scoring import wilson
from analysis.statistics.inference import percentile_interval


def ends(scored: pd.DataFrame) -> dict:
    """Return, for each kind of network, what it has of both ends of the ladder and of two flaws alone."""
    out: dict = {}
    for network, rows in scored.groupby("network", sort=True):
        chosen = {
            "report": rows[(rows["walk"] == "in order") & (rows["step"] == 0)],
            "corrected": rows[(rows["walk"] == "flawed alone") & (rows["step"] == 0)],
            "join_alone": rows[(rows["walk"] == "flawed alone") & (rows["field"] == "join")],
            "merged_alone": rows[(rows["walk"] == "flawed alone") & (rows["field"] == "unit_identity")],
        }
        out[str(network)] = {
            name: {key: value for key, value in part.iloc[0].items() if not isinstance(value, str) and key != "step"}
            for name, part in chosen.items()
            if len(part)
        }
    return out


def confounds(planted: pd.DataFrame) -> dict:
    """Return, for each join and kind of table, means and intervals over tables and seeds."""
    out: dict = {}
    for (join, kind), rows in planted.groupby(["join", "table"], sort=True):
        low, high = percentile_interval(rows["rho"].to_numpy(float))
        left_low, left_high = percentile_interval(rows["left_block"].to_numpy(float))
        out.setdefault(str(join), {})[str(kind)] = {
            "tables": len(rows),
            "rho": rows["rho"].mean(),
            "low": low,
            "high": high,
            "left_block": rows["left_block"].mean(),
            "left_low": left_low,
            "left_high": left_high,
            "flagged": rows["flagged"].astype(float).mean(),
        }
    return out


def detection(judged: pd.DataFrame) -> dict:
    """Return how many simulated studies of each kind the audit flags, with Wilson intervals."""
    out: dict = {"of_each": len(judged) // 2}
    for kind, said in (("confounded", "detected"), ("clean", "false_alarms")):
        rows = judged[judged["confounded"] == (kind == "confounded")]
        low, high = wilson(int(rows["flagged"].sum()), len(rows))
        out |= {said: rows["flagged"].mean(), f"{said}_low": low, f"{said}_high": high}
        out |= {f"rho_{kind}": rows["rho"].mean(), f"left_{kind}": rows["left_block"].mean()}
    return out
