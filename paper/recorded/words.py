"""What README and docs say of recorded data sets, in words and tables (`paper.expected` fills them in)."""

import json
import math
from pathlib import Path

from paper import blocks, style
from paper.recorded.claims import ABSENT, AGAINST, MIXED, UNDECIDED, WITH, of_set
from paper.recorded.tables import CORRECTED, RHO, committed

PERFORMANCE = {
    WITH: "Performance goes with predictivity: in {better} of {pairs} paired contrasts the model that classifies more "
    "images correctly also predicts better, in none worse, and {undetected} show no detectable difference.",
    AGAINST: "Performance does not go with predictivity: in {worse} of {pairs} paired contrasts the model that "
    "classifies more images correctly predicts worse, in none better, and {undetected} show no detectable difference.",
    MIXED: "Performance does not settle predictivity: of {pairs} paired contrasts, the model that classifies more "
    "images correctly predicts better in {better}, worse in {worse}, and {undetected} show no detectable difference.",
    UNDECIDED: "Whether performance goes with predictivity stays open: no difference is detectable in any of {pairs} "
    "paired contrasts.",
}
"""Answer to the question whether performance on the task goes with predictivity."""

PUBLISHED = Path("paper/published.json")
SCORE = {CORRECTED: "the highest median noise-corrected r", "rho": "the highest correlation of RDMs, ρ,"}
AREAS = ["data set", "area", "units", "images", "median reliability", "highest score", "pixels"]
AREAS += ["performance and predictivity", "models above pixels"]
UNITS = ["recording", "area", "units", "visually selective", "listed by the authors", "in both", "median reliability"]
UNITS += ["median RSC of selective units", "median RSC of all units", "across trials"]


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with a true minus sign; a dash where it is undefined."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}".replace("-", "−")


def with_interval(score: dict | None, prefix: str = "") -> str:
    """Return a score with its 95 % interval, where it has one; `prefix` chooses another one than the main score."""
    if score is None:
        return "–"
    value, low, high = (score[prefix + key] for key in ("value", "low", "high"))
    return number(value) + ("" if None in (low, high) else f" ({number(low)} to {number(high)})")


def sentences() -> list[str]:
    """Return what each area of each committed data set says, two sentences each."""
    return [_sentences(said, area) for said in map(of_set, committed()) for area in said["areas"] if area["best"]]


def tables() -> str:
    """Return the committed tables as Markdown: an area a row, a model a row, a recording a row."""
    sets = [of_set(found) for found in committed()]
    parts = [_areas(sets), _models(sets), _repeatability(sets)]
    return "\n\n".join(part for part in parts if part) or "No table is committed yet."


def _sentences(said: dict, area: dict) -> str:
    reliability = said["median_reliability"]
    counts = [f"{area['units']} units"] * bool(area["units"]) + [f"{said['images']} images"]
    counts += [f"median reliability {number(reliability)}"] * (reliability is not None)
    best, pixels = area["best"], area["pixels"]
    beside = "" if pixels is None else f"; raw pixels: {number(pixels['value'])}"
    low, high = number(best["low"]), number(best["high"])
    parts = [
        f"In {area['region']} (data set `{said['name']}`, {said['title']}: {', '.join(counts)}), "
        f"{SCORE[area['measure']]} is that of {best['title']}, {number(best['value'])} "
        f"(95 % interval {low} to {high}{beside})."
    ]
    if area["measure"] == RHO and best["partial_value"] is not None:
        held = " and ".join(said["given"] or ["face"])
        parts.append(f"With the labels {held} held constant, its ρ is {with_interval(best, 'partial_')}.")
    return " ".join([*parts, *contrasted(area)])


def contrasted(area: dict) -> list[str]:
    """Return what the paired contrasts say of an area: of performance, or else of the models beside pixels."""
    performance, pixels = area["performance"], area["against_pixels"]
    if performance["verdict"] != ABSENT:
        return [PERFORMANCE[performance["verdict"]].format(**performance)]
    return [_beside_pixels(**pixels)] if pixels["pairs"] else []


def _beside_pixels(pairs: int, better: int, worse: int, undetected: int, **_) -> str:
    """Return what is said instead where models of different accuracy were not contrasted."""
    if not better + worse:
        others = "the other model" if pairs == 1 else f"any of the other {pairs} models"
        return f"In paired contrasts, no difference between raw pixels and {others} is detectable."
    models = f"{better or 'none'} of {pairs} model{'' if pairs == 1 else 's'}"
    some = f"{models} {'does' if better < 2 else 'do'} better and {worse or 'none'} worse"
    rest = f"; for {undetected}, no difference is detectable" if undetected else ""
    return f"In paired contrasts with raw pixels, {some}{rest}."


def _areas(sets: list[dict]) -> str:
    rows = [
        [
            f"`{said['name']}` ({said['title']})",
            area["region"],
            number(area["units"], 0),
            number(said["images"], 0),
            number(said["median_reliability"]),
            f"{area['best']['title']} {with_interval(area['best'])}" if area["best"] else "–",
            with_interval(area["pixels"]),
            area["performance"]["verdict"],
            f"{area['against_pixels']['better']} of {area['against_pixels']['pairs']}",
        ]
        for said in sets
        for area in said["areas"]
    ]
    return blocks.table(AREAS, rows) if rows else ""


def _models(sets: list[dict]) -> str:
    areas = [(said["name"], area) for said in sets for area in said["areas"]]
    names = style.in_order(model["name"] for _, area in areas for model in area["models"])
    rows = []
    for name in names:
        cells = [next((m for m in area["models"] if m["name"] == name), None) for _, area in areas]
        rows.append([f"`{name}`", *(with_interval(cell) for cell in cells)])
    heads = [f"`{said}`, {area['region']}: {'r' if area['measure'] == CORRECTED else 'ρ'}" for said, area in areas]
    return blocks.table(["model", *heads], rows) if rows else ""


def _repeatability(sets: list[dict]) -> str:
    counts = ("units", "visually_selective", "listed", "both")
    scores = ("reliability", "rsc_selective", "rsc", "rsc_across_trials")
    rows = [
        [f"`{said['name']}`", region, *(number(row[key], 0) for key in counts), *(number(row[key]) for key in scores)]
        for said in sets
        for region, row in said["repeatability"].items()
    ]
    regions = dict.fromkeys(row[1] for row in rows)
    return blocks.table(UNITS, rows + [_published(region) for region in regions]) if rows else ""


def _published(region: str) -> list[str]:
    """Return what Xiao et al. (2024) report of all recordings; their RSC is of the selective units of all areas."""
    theirs = json.loads(PUBLISHED.read_text(encoding="utf-8"))["xiao2024"]
    units, selective = (
        next(row[region] for row in theirs["counts"] if row["name"] == name)
        for name in ("units", "visually selective units")
    )
    rsc = f"{number(theirs['rsc']['median'])} (all areas, {theirs['rsc']['units']} units)"
    return ["all published (Xiao et al. 2024)", region, f"{units}", f"{selective}", *["–"] * 3, rsc, "–", "–"]
