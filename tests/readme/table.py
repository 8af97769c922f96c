"""What is expected of each command of README and docs, what its words stand for, and which commands cannot run here.

A command is in exactly one place: a command line of the pipeline (``dvc.lock`` shows that it ran), `HERE`
(``run.py`` runs it and looks at what it says and leaves), `ONLINE` (``online.py`` does so, with the network), or
`ELSEWHERE`, with the reason and with what checks it then.
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.project import ROOT
from tests.readme.commands import SHELL, Command, commands, parts
from tests.readme.outcomes import (
    FIGURES,
    RECORDING,
    add_own_data_set,
    add_own_model,
    assembly_opens,
    benchmarks_are_filled,
    change_paper,
    choose_real_data,
    crate_describes_the_lock,
    data_are_real,
    figures_are_kept,
    image_is_explained,
    others_were_trained_on,
    own_units_are_predicted,
    paper_has_pages,
    parameters_are_back,
    pictures_are_drawn,
    recording_opens,
    remote_has_files,
    save_data_set,
    set_parameter,
    spoil_pages,
    train_on_others,
    values_are_filled,
    write_response_table,
)

MODEL = "hmo_report"


@dataclass(frozen=True)
class Run:
    """What a command must do, in the folder where it runs."""

    says: str = ""
    """Pattern in what it prints."""
    says_not: str | None = None
    leaves: tuple[str, ...] = ()
    """Files that it makes: they are removed before."""
    before: Callable[[Path], None] | None = None
    """What the page tells its reader to do by hand before, done here."""
    after: Callable[[Path], None] | None = None
    """Looks at what it left; raises AssertionError."""


def substitutes(folder: Path, session: str) -> dict[str, str]:
    """Return what stands for the placeholders of the pages: words of the text, and what is typed here.

    Parameters
    ----------
    folder : Path
        Folder of the run; ``other`` in it is a finished copy, ``image.png`` an image.
    session : str
        Path of a recording of the tiny experiment, as ``data/raw/dandiset/sub-X/sub-X_ses-Y``.
    """
    return {
        "halving FOLDER": f"halving {folder / 'halving'}",
        " HERE THERE": f" {folder / 'halving'} {folder / 'halving'}",
        " FILE": f" {folder / 'image.png'}",
        " FOLDER": f" {folder / 'other'}",
        " MODEL": f" {MODEL}",
        "RECORDING": RECORDING,
        "inspect An220105": f"inspect {RECORDING}",
        "sub-An_ses-20220105T173929": session,
        "annotations/db": "data/raw/annotations/db",
        "s3://BUCKET/PATH": str(folder / "remote"),
        " STORE:": f" {folder / 'store'}:",
        "docker run ... ": 'docker run -v "$PWD/work:/work" ',
    }


_DIGEST = "sha256:528257d48c1da0dcecc2e725d1ae34498d60c965f1241e39cd6a85a8859bdf84"
PAPER = ("paper/report.pdf", "paper/report.html")
UP_TO_DATE = "Data and pipelines are up to date"

HERE: dict[str, dict[str, Run | tuple[Run, ...]]] = {
    "README": {
        **{part: Run() for part in parts(SHELL)},
        ".venv/bin/nox -s reproduce": Run("the paper is in paper/report.pdf", leaves=PAPER, after=paper_has_pages),
        "python -m analysis --help": Run("acquire(.|\n)*report"),
        "nox -s docs": Run("Documentation built", leaves=("site/index.html", "site/api.html")),
    },
    "pipeline": {
        "python -m analysis check": Run("nothing wrong"),
        "dvc stage list": Run("acquire +Simulate(.|\n)*report +The paper"),
        "dvc status": Run(UP_TO_DATE),
        "dvc metrics show": Run("hmo_report"),
        "dvc metrics diff": Run(),
        "dvc plots show": Run("index.html", leaves=("dvc_plots/index.html",)),
        "dvc repro": (
            Run(UP_TO_DATE),
            Run(
                "(Running stage|Stage) 'stimuli'(:| is cached)",
                says_not="Running stage 'train",
                before=set_parameter("stimuli", unreadable_allowed=0.02),
            ),
            Run("Stage 'compare@hmo' is cached", says_not="Running stage"),
        ),
        "dvc exp run -S compare.bootstrap=2000": Run(
            "(Running stage|Stage) 'compare@hmo'(:| is cached)", says_not="Running stage 'train"
        ),
        "dvc exp show --only-changed --drop '.*/'": Run(r"compare\.bootstrap(.|\n)* 2000 "),
        "dvc params diff": Run(r"compare\.bootstrap +50 +2000"),
        "git checkout HEAD params.yaml": Run("Updated 1 path", after=parameters_are_back),
    },
    "results": {
        "python -m paper.expected": Run(before=spoil_pages, after=values_are_filled),
        "nox -s reproduce 2>&1 | python -m benchmarks.stages": Run(
            "Running stage 'report'",
            before=change_paper,
            leaves=(f"{FIGURES}/stages.json",),
            after=figures_are_kept("stages"),
        ),
        "nox -s verify": Run("ok +The RO-Crate is that of the lock file", says_not="FAILED"),
        f"python -m analysis export-assembly {RECORDING} {RECORDING}.nc": Run(
            "presentations", leaves=(f"{RECORDING}.nc",), after=assembly_opens
        ),
        "python -m analysis crate --force": Run(
            "entities", leaves=("ro-crate-metadata.json",), after=crate_describes_the_lock
        ),
    },
    "real-data": {
        "python -m analysis plan": Run("of 6 recordings", before=choose_real_data),
        "dvc repro acquire": Run("Running stage 'acquire'", leaves=("data/raw/manifest.json",), after=data_are_real),
        "dvc repro": Run("(Running stage|Stage) 'report'(:| is cached)", leaves=PAPER, after=paper_has_pages),
        "python -m analysis store list": Run(r"sub-Mo_ses-\w+\.nwb"),
        "python -m analysis store verify": Run("all files in the store match their hashes"),
        "python -m analysis store prune --files": Run("removed 0 bytes"),
        "dvc remote add -d lab s3://BUCKET/PATH": Run("Setting 'lab' as a default remote"),
        "dvc push": Run(r"\d+ files pushed", after=remote_has_files),
        "dvc pull": Run(leaves=("results/summary.json",)),
    },
    "your-model": {
        "dvc repro -f -s train@mine": Run(
            "Running stage 'train@mine'",
            says_not="Running stage 'acquire",
            before=add_own_model,
            leaves=("models/mine/metrics.json",),
        ),
        "python -m analysis explain --model MODEL --image FILE": Run(
            r"P\(face\)", leaves=("explained/image.json",), after=image_is_explained
        ),
        "python -m analysis predict MODEL --image FILE": Run(r"image\.png,\w+-\w+,\w+,-?[0-9.]+,"),
    },
    "your-recording": {
        "python -m analysis recording sub-An_ses-20220105T173929_image.nwb sub-An_ses-20220105T173929.nwb "
        "--annotations annotations/db --protocol corrected --out An220105.nc": Run(
            leaves=("An220105.nc",), after=recording_opens
        ),
        "python -m analysis repeatability sub-An_ses-20220105T173929_image.nwb sub-An_ses-20220105T173929.nwb "
        "--annotations annotations/db --out An220105.json": Run("median reliability", leaves=("An220105.json",)),
        "python -m analysis inspect RECORDING": Run(f"^{RECORDING} "),
        "python -m analysis audit table responses.csv --label category --block recording --out audited": Run(
            "80 images, 6 units", before=write_response_table, leaves=("audited/summary.json",)
        ),
    },
    "your-data-set": {
        "python make_mine.py": Run(before=save_data_set, leaves=("mine/responses.npy",)),
        "dvc repro recorded-report@mine": (
            Run(
                "Running stage 'recorded-acquire@mine'",
                says_not="Running stage 'acquire",
                before=add_own_data_set,
                leaves=("recorded/mine/results/recorded.json", "recorded/mine/paper/report.pdf"),
                after=own_units_are_predicted,
            ),
            Run("40 other images to train on, from other", before=train_on_others, after=others_were_trained_on),
        ),
        "dvc repro -f -s recorded-acquire@mine": Run("Running stage 'recorded-acquire@mine'"),
    },
    "container": {
        "docker build -t compendium --build-arg REVISION=$(git rev-parse HEAD) .": Run(),
        "docker build -t compendium --build-arg REVISION=$(git rev-parse HEAD) --build-arg FLAVOUR=cpu "
        f"--build-arg BASE_IMAGE=python:3.11.16-slim-bookworm@{_DIGEST} --build-arg BASE_DIGEST={_DIGEST} .": Run(),
        "docker run --name paper --network=none compendium": Run(r"Stage 'report' is cached"),
        "docker cp paper:/work/paper/report.pdf .": Run(leaves=("report.pdf",)),
        "mkdir work": Run(),
        "docker run --rm --network=none --read-only --tmpfs /tmp:exec --cap-drop=ALL --security-opt=no-new-privileges "
        '--user $(id -u):$(id -g) -v "$PWD/work:/work" compendium': Run(leaves=("work/paper/report.pdf",)),
        'docker run --rm --user $(id -u):$(id -g) -v "$PWD:/work" -v STORE:/store -e NNN_STORE=/store compendium': Run(
            leaves=PAPER, after=paper_has_pages
        ),
        "docker run ... compendium reproduce figures report": Run(UP_TO_DATE),
        'docker run --rm -v "$PWD:/work" compendium python -m analysis inspect An220105': Run(f"^{RECORDING} "),
        'podman run --rm --userns=keep-id --user $(id -u):$(id -g) --network=none -v "$PWD/work:/work" compendium': Run(
            UP_TO_DATE
        ),
        "docker save compendium -o compendium.tar": Run(leaves=("compendium.tar",)),
        "apptainer build compendium.sif docker-archive:compendium.tar": Run(leaves=("compendium.sif",)),
        'apptainer run --containall --bind "$PWD/work:/work" compendium.sif': Run(UP_TO_DATE),
    },
    "reproducibility": {
        "nox -s verify -- --again train@pixels": Run("every output has the recorded bytes again"),
        "python -m tests.portable.kernels": Run(r"^\w.*\t[0-9a-f]+$"),
        "python -m analysis environment": Run("the existing results were computed in this environment"),
        "python -m analysis diff FOLDER": Run("have the same bytes"),
        "python -m analysis diff FOLDER --tolerance 1e-6": Run("have the same bytes"),
        "git rev-parse HEAD:analysis HEAD:paper": Run(r"^[0-9a-f]{40}\n[0-9a-f]{40}$"),
        "sha256sum data/raw/manifest.json": Run("^[0-9a-f]{64}  data/raw"),
    },
    "benchmarks": {
        "python -m benchmarks.table": Run(before=spoil_pages, after=benchmarks_are_filled),
        "python -m paper.truth": Run("wrote paper/truth/coverage.json"),
        "python -m benchmarks.halving FOLDER": Run(
            leaves=(f"{FIGURES}/halving.json",), after=figures_are_kept("halving")
        ),
        **{
            f"python -m benchmarks.gpu {piece}": Run(
                leaves=(f"{FIGURES}/gpu.json",), after=figures_are_kept("gpu", kept)
            )
            for piece, kept in (
                ("report", "report on the processor"),
                ("hmo", "hmo on the processor"),
                ("scores HERE THERE", "scores"),
                ("cost", "cost"),
            )
        },
        "python -m benchmarks.hmo_parts": Run(
            leaves=(f"{FIGURES}/hmo_parts.json",), after=figures_are_kept("hmo_parts", "summary")
        ),
        **{
            f"python -m benchmarks.{name}": Run(leaves=(f"{FIGURES}/{name}.json",), after=figures_are_kept(name))
            for name in ("acquire", "widths", "compare", "explain", "hmo", "models", "recordings", "scale")
        },
        **{
            f"python -m benchmarks.{name}": Run(
                leaves=tuple(f"{FIGURES}/{name}.{kind}" for kind in ("json", "png")), after=figures_are_kept(name)
            )
            for name in ("calibration", "coverage", "reliability")
        },
        "python -m benchmarks.layer_order": Run(
            leaves=tuple(f"{FIGURES}/layer_order.{kind}" for kind in ("json", "png")),
            after=figures_are_kept("layer_order", "planted stages", MODEL),
        ),
    },
    "troubleshooting": {
        "pip cache purge": Run("Files removed"),
        "git config --global --add safe.directory FOLDER": Run(),
        "dvc config --local core.no_scm true": Run(),
        "chmod -R a+rX data models results paper": Run(),
    },
    "contributing": {
        "python -m docs.generate": Run(before=spoil_pages, after=pictures_are_drawn),
    },
}
"""By page and command; several in order where a command is typed so often on one page."""

ELSEWHERE: dict[str, tuple[str, str]] = {
    r"(\.venv/bin/)?nox|nox -s (fixture|online)": ("what is running now", "every run of this"),
    r"nox -s (lint|tests)|pytest tests/\w+": ("the checks once more", "plain nox"),
    r"nox -s faults": ("minutes, on an experiment of its own", "tests/faults, and the workflow of CI"),
    r"nox -s portable": ("hours under an emulator", "tests/portable, and the kernels above"),
    r"dask scheduler|python -m analysis( worker( tcp:.*)?)?|NNN_SCHEDULER=\S+ dvc repro": (
        "programs that stay",
        "tests/core/test_cluster.py",
    ),
    r"nox -s container|docker build --target checks .*|docker run --rm --network=none compendium:checks test": (
        "an engine, and the suite once more",
        "a job of .github/workflows/ci.yml",
    ),
    r"sudo container/podman-bare .*": ("root, packages of Debian", "nox -s container where there is no other engine"),
    r"dvc repro recorded-(geometry-)?report|python -m paper\.recorded \w+": (
        "recordings from the network",
        "tests/paper/test_recorded.py",
    ),
    r"python -m analysis plan --dataset free_viewing|dvc repro recorded-report@free_viewing": (
        "recordings from the network",
        "tests/acquire/test_real_pipeline.py and tests/acquire/recorded/test_free_viewing.py",
    ),
    r"docker run --gpus all -e NNN_DEVICE=cuda \.\.\.": ("a GPU", "tests/models/test_gpu.py where there is one"),
}
"""Patterns of commands that do not run here: why, and what checks them instead."""


def expected_runs(table: dict[str, dict[str, Run | tuple[Run, ...]]]) -> list[tuple[Command, Run]]:
    """Return the commands that a table has, with what is expected, in order: of a block each, of running text once."""
    found, seen = [], Counter()
    for command in commands():
        key = command.page, command.text
        expected = table.get(command.page, {}).get(command.text)
        if expected and (command.in_block or not seen[key]):
            runs = expected if isinstance(expected, tuple) else (expected,)
            found.append((command, runs[min(seen[key], len(runs) - 1)]))
            seen[key] += 1
    return found


def elsewhere(command: str) -> str | None:
    """Return the pattern in `ELSEWHERE` that a command is, if it is there."""
    return next((pattern for pattern in ELSEWHERE if re.fullmatch(pattern, command)), None)


def of_pipeline(command: str) -> bool:
    """Say whether a command is the command line of a stage, for one of its models or protocols."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    return any(re.fullmatch(re.sub(r"\\\$\\\{.*?\\\}", r"\\w+", re.escape(stage["cmd"])), command) for stage in stages)
