"""The results of the benchmarks as tables of docs/: ``python -m benchmarks.table`` fills them from the result files.

A ratio compares two times of one run on one machine; the files hold the times themselves.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from paper import blocks

FOLDER = Path("benchmarks")
FLOOR = "a float32 matrix product with as many operations"
HEAD = ["task", "compared with", "speed-up", "benchmark"]
FULL = ["on one GPU", "seconds", "GPU memory (GB)", "result"]
COVERED = ["case", "coverage ± standard error", "mean width", "false alarms of contrasts", "truth less limit"]
OURS = "nested analysis of variance, jackknife"
PARTS = ["model", "seeds", "out-of-fold error, % (less base)", "modules kept, stages 1 and 2"]
PARTS += ["error after the last kept less after the first", "test accuracy, %", "test error, % (less base)", "CPU s"]
WIDTHS = ["recordings", "units (mean)", "width of the interval (least to most)"]
TRUTH = ["against planted truth", "aim", "result", "benchmark"]


def _read(folder: Path, name: str) -> dict | None:
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def times(ratio: float) -> str:
    """Return a ratio with two significant digits."""
    return f"{ratio:.{2 if ratio < 0.995 else 1 if ratio < 9.95 else 0}f} x"


def _difference(found: dict) -> str:
    """Return how pruning changes the test accuracy of the kept candidates, with the 95 % interval over seeds."""
    half = found["half_width_95"]
    reach = "" if half is None else f" ± {100 * half:.1f}"
    return f"accuracy of those kept {signed(100 * found['test_accuracy_difference'], 1)}{reach} points"


def signed(value: float, digits: int) -> str:
    """Return a number with its sign."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _agreement(reached: dict, precision: str) -> str:
    """Return how the accuracies of candidates trained in Keras compare with ours."""
    ours, peer = reached[precision], reached["keras"]
    return (
        f" (accuracies of {reached['candidates']} after {reached['epochs']} epochs: mean {100 * ours['mean']:.1f} %, "
        f"Keras {100 * peer['mean']:.1f} %; Kolmogorov-Smirnov p = {ours['ks_p']:.2f})"
    )


def _models(found: dict) -> Iterator[list[str]]:
    """Yield the rows of training, torch.compile and activations, without peers that were skipped."""
    if speed := found.get("speed"):
        for precision in ("float32", "bfloat16"):
            name = f"side by side, {precision}"
            work = f"training {speed['candidates']} candidates of the report, {name}"
            yield [work, FLOOR, times(1 / speed["times_the_floor"][name]), "models"]
            if ratio := speed["ratio"]:
                reached = found.get("accuracy")
                work += _agreement(reached, precision) if reached else ""
                yield [work, "Keras one by one", times(ratio[name]), "models"]
    if (timed := found.get("search")) and "keras" in timed:
        for name, one in timed["searches"].items():
            work = f"search of {timed['candidates']} candidates, {name}, bfloat16, side by side"
            peer = f"all to the end in Keras ({timed['epochs_timed']} epochs, scaled)"
            yield [work, peer, times(one["ratio"]), "models"]
    if compiled := found.get("compilation"):
        plain, (first, later) = compiled["as it is"]["epoch"], compiled["compiled"].values()
        work = f"an epoch of a candidate, compiled in {first['seconds']:.0f} s"
        yield [work, "as it is", times(plain["cpu"] / later["cpu"]), "models"]
    if speed := found.get("activations"):
        work = f"activations of the report's HMO, {speed['images_per_second']:.0f} images a second"
        yield [work, FLOOR, times(1 / speed["times_the_floor"]), "models"]


def rows(folder: Path = FOLDER) -> Iterator[list[str]]:
    """Yield task, peer, ratio and benchmark, from the results in a folder."""
    if found := _read(folder, "recordings"):
        size, spent = next(iter(found["time"].items()))
        work = f"spike counts of a recording of {size.partition('(')[2].rstrip(')')}"
        for peer in ("pynwb and cumulative sum", "the report's loop"):
            yield [work, peer, times(spent[peer] / spent["ours"]), "recordings"]
    if found := _read(folder, "acquire"):
        spent, what = found["seconds"], f"{found['files']:,} files fetched"
        yield [what, "dandi download", times(spent["dandi download, first"] / spent["acquire, first"]), "acquire"]
        again = times(spent["dandi download, all there"] / spent["acquire, all there"])
        yield [f"{what}, all there", "dandi download", again, "acquire"]
    for row in (_read(folder, "compare") or {"times": []})["times"]:
        yield [row["work"], row["peer"], times(row["ratio"]), "compare"]
    yield from _models(_read(folder, "models") or {})
    if halving := _read(folder, "halving"):
        for name, found in halving["searches"].items():
            candidates = f"{halving['candidates']} candidates, {halving['kept']} kept"
            work = f"search of {candidates}, {name} ({_difference(found)})"
            yield [work, "all trained to the end", times(found["ratio_of_cpu"]), "halving FOLDER"]
    if found := _read(folder, "hmo"):
        default = found["rows"]["default"]
        work = f"HMO (2014), {default['candidates_per_minute']:.0f} candidates a minute"
        yield [work, FLOOR, times(1 / default["times_the_floor"]), "hmo"]
    for name, row in (_read(folder, "explain") or {"methods": {}})["methods"].items():
        yield [f"maps by {name}", "captum, one image at a time", times(row["ratio"]), "explain"]


def devices(folder: Path = FOLDER) -> Iterator[list[str]]:
    """Yield task on a GPU, seconds, gigabytes and result, from the results in a folder."""
    known = _read(folder, "gpu") or {}
    if found := known.get("report"):
        work = (
            f"search of the report's HMO: {found['candidates']} candidates, {found['epochs']} epochs, {_images(found)}"
        )
        kept = f"accuracy of those kept {_range(found['accuracy_of_kept'])} %; {found['failed']} candidates failed"
        yield [work, f"{found['seconds']['search']:.0f}", f"{found['gigabytes_of_device']:.1f}", kept]
        yield ["its upper stages", f"{found['seconds']['upper stages']:.0f}", "", _tested(found)]
    if found := known.get("hmo"):
        tested = _tested(found)
        if beside := known.get("hmo on the processor"):
            losses = [[one["loss"] for part in each["rounds"].values() for one in part] for each in (found, beside)]
            apart = max(abs(a - b) for a, b in zip(*losses, strict=True))
            accuracy = f"{100 * beside['test_accuracy']:.1f} %"
            tested += f" (processor: {accuracy}; losses of the chosen modules differ by up to {apart:.4f})"
        work = f"HMO (2014): {found['candidates']} candidates, {_images(found)}"
        yield [work, f"{found['seconds']:.0f}", f"{found['gigabytes_of_device']:.1f}", tested]
    if found := known.get("scores"):
        difference = f"{signed(100 * found['difference'], 1)} ± {100 * found['half_width_95']:.1f} points"
        same = f"mean {100 * found['device']:.1f} %, processor {100 * found['processor']:.1f} %: {difference}"
        work = f"test accuracy of {found['candidates']} candidates after {found['epochs']} epochs"
        yield [work, "", "", f"{same}; r = {found['correlation']:.2f}, Kolmogorov-Smirnov p = {found['ks_p']:.2f}"]


def _images(found: dict) -> str:
    return f"{found['splits']['train']:,} training images of {found['pixels']} pixels"


def _tested(found: dict) -> str:
    return f"test accuracy {100 * found['test_accuracy']:.1f} %"


def _range(shares: list[float]) -> str:
    return f"{100 * min(shares):.1f} to {100 * max(shares):.1f}"


def truths(folder: Path = FOLDER) -> Iterator[list[str]]:
    """Yield test, aim, result and benchmark of each check against a known truth, from the results in a folder."""
    if found := _read(folder, "coverage"):
        share = [one["coverage"] for one in found.values()]
        alarms = [one["false_alarms"] for one in found.values() if one["false_alarms"] is not None]
        fewest, most = (end(one["runs"] for one in found.values()) for end in (min, max))
        runs = f"{fewest}" if fewest == most else f"{fewest} to {most}"
        intervals = (
            f"[coverage](statistics.md#intervals) of 95 % intervals, in {len(share)} cases of {runs} experiments"
        )
        yield [intervals, "93 to 97 %", f"{100 * min(share):.1f} to {100 * max(share):.1f} %", "coverage"]
        contrasts = f"contrasts of equal models with p of 0.05 or less, in {len(alarms)} cases"
        yield [contrasts, "about 5 % or less", f"{100 * min(alarms):.1f} to {100 * max(alarms):.1f} %", "coverage"]
    if found := _read(folder, "calibration"):
        p = found["uniform_ks_p"].values()
        tests = f"p-values of {len(p)} tests under the null, {found['runs']} each"
        tests += ": smallest Kolmogorov-Smirnov p against uniformity"
        yield [tests, "above 0.01", f"{min(p):.2f}", "calibration"]
        lead = found["lead_over_upper_ceiling"]
        for name, kind in (("spearman", "Spearman, no ties"), ("rho-a with ties", "rho-a, ties")):
            work = f"largest excess of a model over the upper noise ceiling of RDMs ({kind})"
            yield [work, "0 or less", signed(lead[name], 3), "calibration"]
    if found := _read(folder, "reliability"):
        bias = _largest(one["bias"][OURS] for one in found)
        yield [f"reliability of units: largest bias in {len(found)} cases", "within 0.02", bias, "reliability"]
        perfect = [one["perfect_model"] for one in found]
        work = f"median noise-corrected r of a perfect model, in {len(perfect)} cases"
        yield [work, "0.98 to 1.02", f"{min(perfect):.3f} to {max(perfect):.3f}", "reliability"]
    for name, one in (_read(folder, "layer_order") or {}).items():
        best = one["best_layer"]
        rho = "undefined" if best["rho"] is None else signed(best["rho"], 2)
        ends = "" if best["low"] is None else f" ({signed(best['low'], 2)} to {signed(best['high'], 2)})"
        yield [f"order of areas with depth in {name}: rank correlation", "above 0", f"{rho}{ends}", "layer_order"]


def coverages(folder: Path = FOLDER) -> Iterator[list[str]]:
    """Yield each case with its coverage, mean width, false alarms and distance from infinitely many images."""
    for name, one in (_read(folder, "coverage") or {}).items():
        share = f"{100 * one['coverage']:.1f} ± {100 * one['standard_error']:.1f} %"
        alarms = "" if one["false_alarms"] is None else f"{100 * one['false_alarms']:.1f} %"
        yield [name, share, f"{one['width']:.2f}", alarms, "" if one["bias"] is None else signed(one["bias"], 3)]


def parts(folder: Path = FOLDER) -> Iterator[list[str]]:
    """Yield each variant of HMO (2014) and each rival: errors, modules kept, the gain of later ones, and cost."""
    for name, one in (_read(folder, "hmo_parts") or {"summary": {}})["summary"].items():
        kept = one.get("kept")
        modules = "" if kept is None else "; ".join(f"{min(n)} to {max(n)}" for n in kept.values())
        gains = "; ".join(_interval(gain) for gain in one.get("kept_less_first", {}).values())
        error = _with_difference(one.get("out_of_fold_error"))
        tested = _interval(one["test_accuracy"], signs=False)
        yield [
            name,
            str(one["seeds"]),
            error,
            modules,
            gains,
            tested,
            _with_difference(one["test_error"]),
            f"{one['cpu_seconds']:.0f}",
        ]


def widths(folder: Path = FOLDER) -> Iterator[list[str]]:
    """Yield, for each number of recordings, the width of the interval of the main contrast."""
    for one in _read(folder, "widths") or []:
        reach = f" ({one['least']:.2f} to {one['most']:.2f})" if one["subsets"] > 1 else ""
        yield [f"{one['recordings']:.0f}", f"{one['units']:.0f}", f"{one['width']:.2f}{reach}"]


def _interval(found: dict, signs: bool = True) -> str:
    values = [100 * found[name] for name in ("estimate", "low", "high")]
    mean, low, high = (signed(value, 1) if signs else f"{value:.1f}" for value in values)
    return f"{mean} ({low} to {high})"


def _with_difference(found: dict | None) -> str:
    if found is None:
        return ""
    return f"{100 * found['mean']:.1f}" + (f": {_interval(found['difference'])}" if "difference" in found else "")


def _largest(values: Iterable[float]) -> str:
    """Return the value farthest from 0, with its sign."""
    return signed(max(values, key=abs), 3)


def _ends(cases: list[dict], name: str) -> str:
    """Return the least and the greatest value of a field."""
    values = [one[name] for one in cases]
    return f"{min(values):.2f} to {max(values):.2f}"


def reliabilities(folder: Path = FOLDER) -> dict[str, str]:
    """Return tables of the bias of the reliability and the scores of two models, and of rival estimators."""
    found = _read(folder, "reliability") or []
    groups = sorted({one["snr"] for one in found})
    rows, models = [], []
    for counts in dict.fromkeys(one["counts"] for one in found):
        cases = [[one for one in found if (one["counts"], one["snr"]) == (counts, snr)] for snr in groups]
        bias = [_largest(one["bias"][OURS] for one in of_snr) for of_snr in cases]
        perfect, imperfect = ([_ends(of_snr, f"{name}perfect_model") for of_snr in cases] for name in ("", "im"))
        rows.append([counts, *(f"{b}; {p}" for b, p in zip(bias, perfect, strict=True))])
        models.append([counts, *imperfect])
    rivals = [
        [
            name,
            _largest(one["bias"][name] for one in found),
            f"{np.mean([abs(one['bias'][name]) for one in found]):.3f}",
        ]
        for name in (found[0]["bias"] if found else ())
    ]
    return {
        "reliability": blocks.table(["presentations", *(f"SNR {snr:g}" for snr in groups)], rows),
        "reliability-imperfect": blocks.table(["presentations", *(f"SNR {snr:g}" for snr in groups)], models),
        "reliability-rivals": blocks.table(["estimator", "largest bias", "mean absolute bias"], rivals),
    }


def texts() -> dict[str, str]:
    """Return all tables by the name of their block in docs/."""
    tables = {
        name: blocks.table(head, [[*row[:3], f"`python -m benchmarks.{row[3]}`"] for row in found])
        for name, head, found in (("speed", HEAD, rows()), ("truth", TRUTH, truths()))
    }
    tables |= {"gpu": blocks.table(FULL, list(devices())), "coverage": blocks.table(COVERED, list(coverages()))}
    tables["widths"] = blocks.table(WIDTHS, list(widths()))
    tables["hmo-parts"] = blocks.table(PARTS, list(parts()))
    return tables | reliabilities()


if __name__ == "__main__":
    blocks.fill(texts())
