"""Accuracy and noise-corrected predictivity of the models by area, with paired contrasts."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.core.areas import AREAS
from paper import style
from paper.claims.models import BEST
from paper.claims.verdicts import LARGER, SMALLER
from paper.recorded.claims import of_area
from paper.recorded.tables import CORRECTED, FOLDER, compared
from paper.results import Results


def draw(results: Results, claims: dict) -> tuple[Figure, str]:
    """Draw a row per model: accuracy, score in each area, score in recorded areas; below, a row per paired contrast."""
    areas = [area for area in AREAS if area in set(results.layers.region)]
    panels = [_of_experiment(results, area) for area in areas] + list(_recorded(results))
    known = {model["key"] for panel in panels for model in panel["models"]} | set(results.models)
    unscored = {m for m in known if results.summary["models"].get(m, {}).get("protocol") == "report"}
    models = [m for m in style.in_order(known) if m not in unscored]
    pairs = list(dict.fromkeys((c["model"], c["other"]) for panel in panels[: len(areas)] for c in panel["contrasts"]))
    above, below = 22 + 4.2 * len(models), (16 + 3.7 * len(pairs)) * bool(pairs)
    figure = style.figure(style.PAGE, above + below)
    parts = figure.subfigures(2, 1, height_ratios=[above, below]) if pairs else [figure]
    grid = parts[0].subplots(1, 1 + len(panels), sharey=True)
    texts, ends = [_draw_accuracy(grid[0], results, claims, models)], _common_ends(panels)
    texts += [_draw_panel(axes, panel, models, ends) for axes, panel in zip(grid[1:], panels, strict=True)]
    style.model_rows(grid, models)
    if pairs:
        drawn = np.atleast_1d(parts[1].subplots(1, len(panels), sharey=True))
        reach = _reach(panels)
        texts += [_draw_contrasts(axes, panel, pairs, reach) for axes, panel in zip(drawn, panels, strict=True)]
        _label_pairs(drawn[0], pairs)
    parts[0].legend(handles=_entries(results), loc="outside upper left", ncols=5, handletextpad=0.3, columnspacing=1.2)
    return figure, " ".join(text for text in texts if text)


def _of_experiment(results: Results, area: str) -> dict:
    """Return the panel of an area of the experiment: the layer chosen in the training images stands for a model."""
    rows = results.layers[(results.layers.layer == BEST) & (results.layers.region == area)]
    rows = rows[rows.r_corrected.notna()]
    models = [
        {"key": row.model, "value": row.r_corrected, "low": row.r_corrected_low, "high": row.r_corrected_high}
        for row in rows.itertuples()
    ]
    table = results.contrasts[(results.contrasts.layer == BEST) & (results.contrasts.region == area)]
    contrasts = [
        {"model": r.model, "other": r.other, "difference": r.difference, "low": r.low, "high": r.high, "p": r.p_holm}
        for r in table.itertuples()
        if np.isfinite(r.difference)
    ]
    seeds = results.seed_values
    seeds = seeds[(seeds.region == area) & (seeds.measure == CORRECTED) & (seeds.layer == BEST)]
    units = f"{rows.n_units.max():.0f} units" if len(rows) else "no units"
    return {"title": f"{area}\n{units}", "models": models, "contrasts": contrasts, "seeds": seeds}


def _recorded(results: Results):
    """Yield the panel of each area of a recorded data set in which single units were scored, with the face task."""
    for found in compared():
        if found.table.get("task") == "object":
            continue
        for region in found.regions:
            if found.measure(region) != CORRECTED:
                continue
            results.used.add(f"{FOLDER}/{found.name}.json")
            said = of_area(found, region)
            models = [
                {"key": m["name"], **{k: m[k] for k in ("value", "low", "high")}}
                for m in said["models"]
                if m["value"] is not None
            ]
            contrasts = [
                {k: c.get(k) for k in ("model", "other", "difference", "low", "high")} | {"p": c.get("p_holm")}
                for c in said["contrasts"]
                if c.get("difference") is not None
            ]
            title = f"{region} rec.\n{found.n_units(region)} units"
            no_seeds = results.seed_values[:0]
            yield {"title": title, "models": models, "contrasts": contrasts, "seeds": no_seeds, "set": found.title}


def _draw_accuracy(axes, results: Results, claims: dict, models: list[str]) -> str:
    scores = {m["key"]: m for m in (claims["task"] or {"models": []})["models"]}
    seeds = results.seed_values[results.seed_values.measure == "accuracy"]
    texts = []
    for row, model in enumerate(models):
        if model not in scores:
            continue
        one, colour = scores[model], style.colour_of(model)
        axes.plot([one["low"], one["high"]], [row, row], color=colour, linewidth=1.2)
        axes.plot(one["accuracy"], row, style.marker_of(model), color=colour, markersize=4, clip_on=False)
        _draw_seeds(axes, seeds[seeds.model == model].value, row, colour)
        texts.append(f"{style.name(model)} {one['accuracy']:.3f} ({one['low']:.3f} to {one['high']:.3f})")
    axes.axvline(0.5, color=style.GREY, linestyle=style.DASHED, linewidth=0.6, zorder=0)
    axes.set_xlim(min([0.4, *(one["low"] for one in scores.values())]), 1.0)
    axes.set_xticks([0.5, 1], ["50", "100"])
    axes.set_title("test images\ncorrect (%)", fontsize=7, pad=4)
    return f"Accuracy on test images: {'; '.join(texts)}."


def _draw_panel(axes, panel: dict, models: list[str], ends: tuple[float, float]) -> str:
    texts = []
    for one in panel["models"]:
        if one["key"] not in models:
            continue
        row, colour = models.index(one["key"]), style.colour_of(one["key"])
        _draw_seeds(axes, panel["seeds"][panel["seeds"].model == one["key"]].value, row, colour)
        if one["low"] is not None:
            axes.plot(np.clip([one["low"], one["high"]], *ends), [row, row], color=colour, linewidth=1.2)
        axes.plot(np.clip(one["value"], *ends), row, style.marker_of(one["key"]), color=colour, markersize=4)
        texts.append(f"{style.name(one['key'])} {one['value']:.3f}")
    for x in (0, 1):
        axes.axvline(x, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_xlim(ends)
    axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    axes.set_title(panel["title"], fontsize=7, pad=4)
    axes.set_xlabel("corrected r")
    where = panel["title"].split("\n")[0]
    return f"Noise-corrected r, {where}: {'; '.join(texts)}." if texts else ""


def _draw_seeds(axes, values: pd.Series, row: int, colour: str) -> None:
    if len(values) > 1:
        axes.plot(values, np.full(len(values), row + 0.28), "|", color=colour, markersize=3)


def _draw_contrasts(axes, panel: dict, pairs: list[tuple[str, str]], reach: float) -> str:
    texts = []
    for one in panel["contrasts"]:
        if (one["model"], one["other"]) not in pairs:
            continue
        row = pairs.index((one["model"], one["other"]))
        detected = one["p"] is not None and np.isfinite(one["p"]) and one["p"] < 0.05
        colour = style.INK if detected else style.GREY
        if one["low"] is not None:
            axes.plot(np.clip([one["low"], one["high"]], -reach, reach), [row, row], color=colour, linewidth=0.9)
        face = colour if detected else "white"
        axes.plot(one["difference"], row, "o", color=colour, markerfacecolor=face, markersize=3)
        verdict = (LARGER if one["difference"] > 0 else SMALLER) if detected else "undetected"
        texts.append(f"{style.name(one['model'])} minus {style.name(one['other'])} {one['difference']:.3f} ({verdict})")
    axes.axvline(0, color=style.GREY, linewidth=0.6, linestyle=style.DASHED, zorder=0)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(panel["title"].split("\n")[0], fontsize=7, pad=4)
    axes.set_xlabel("difference")
    axes.set_xticks([-0.5, 0, 0.5] if reach > 0.55 else [0], ["−.5", "0", ".5"] if reach > 0.55 else ["0"])
    where = panel["title"].split("\n")[0]
    return f"Contrasts, {where}: {'; '.join(texts)}." if texts else ""


def _label_pairs(axes, pairs: list[tuple[str, str]]) -> None:
    axes.set_yticks(range(len(pairs)), [f"{style.name(one)} − {style.name(other)}" for one, other in pairs])
    axes.tick_params(axis="y", labelleft=True, labelsize=6)


def _common_ends(panels: list[dict]) -> tuple[float, float]:
    ends = [x for panel in panels for m in panel["models"] for x in (m["low"], m["high"], m["value"]) if x is not None]
    ends = [x for x in ends if np.isfinite(x)]
    return max(min([-0.05, *ends]), -0.5), min(max([1.05, *ends]), 1.3)


def _reach(panels: list[dict]) -> float:
    ends = [
        abs(c[key]) for panel in panels for c in panel["contrasts"] for key in ("low", "high") if c[key] is not None
    ]
    return min(max([0.1, *(x for x in ends if np.isfinite(x))]) * 1.05, 1.5)


def _entries(results: Results) -> list:
    entries = [
        style.entry("o", "score, 95 % interval", color=style.INK),
        style.entry("o", "contrast, p < 0.05 (Holm)", color=style.INK, markersize=3),
        style.entry("o", "not significant", color=style.GREY, markerfacecolor="white", markersize=3),
    ]
    if (results.seeds.seeds > 1).any():
        entries.append(style.entry("|", "each seed", color=style.INK))
    return entries
