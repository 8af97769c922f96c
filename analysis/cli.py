"""The command line ``python -m analysis``: a command per stage of the pipeline, and commands for use by hand."""

import sys
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.core import TyperGroup

from analysis.acquire.real import command as real
from analysis.audit.command import app as audit
from analysis.core.errors import DataError
from analysis.explain.command import app as explain
from analysis.run import ROOT, STAGES, of_data_sets, run_stage
from analysis.tools import command as tools

OF_DATA_SETS = "Stages of data sets with published dissimilarities only (put --dataset NAME before them)"
IN_ORDER = "Stages, in pipeline order (dvc repro runs them)"
Protocol = Annotated[Literal["corrected", "report"], typer.Argument(help="rules by which recordings are processed")]
Model = Annotated[str, typer.Argument(help="an entry under models in params.yaml")]


class CommandsByGroup(TyperGroup):
    """List the commands by group, stages in pipeline order, each with the full first line of its help."""

    def format_commands(self, ctx, formatter) -> None:
        """Write the list of commands."""
        names = self.list_commands(ctx)
        stages = [name for name in STAGES if name in names]
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in [*stages, *(name for name in names if name not in stages)]:
            command = self.get_command(ctx, name)
            line = (command.help or "").strip().partition("\n")[0]
            groups.setdefault(command.rich_help_panel or "Commands", []).append((name, line))
        for title, lines in groups.items():
            with formatter.section(title):
                formatter.write_dl(lines)


app = typer.Typer(
    name="analysis",
    help="Compare networks with macaque visual areas.",
    cls=CommandsByGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120},
)


_CHOSEN: dict[str, str | None] = {"dataset": None}
"""What the command line says before the command."""


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        except FileNotFoundError as error:
            raise DataError(f"this copy has no {error.filename}, which says its version: clone the project") from error
        print(f"{project['name']} {project['version']}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Run a stage for a recorded data set, in recorded/NAME.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Compare networks with macaque visual areas."""
    _CHOSEN["dataset"] = dataset
    if dataset is not None:
        of_data_sets(context.invoked_subcommand)


def _run(stage: str, *items: str) -> None:
    """Run a stage for the data set named on the command line, or for the experiment."""
    run_stage(stage, *items, dataset=_CHOSEN["dataset"])


@app.command(rich_help_panel=IN_ORDER)
def acquire() -> None:
    """Put the data into data/raw: simulate the embedded experiment, or fetch the published files."""
    _run("acquire")


@app.command(rich_help_panel=IN_ORDER)
def stimuli() -> None:
    """Read the images and annotations: pad, label and split."""
    _run("stimuli")


@app.command(rich_help_panel=IN_ORDER)
def recordings(protocol: Protocol) -> None:
    """Turn spike rasters and gaze into one table of responses per recording."""
    _run("recordings", protocol)


@app.command(rich_help_panel=IN_ORDER)
def train(model: Model) -> None:
    """Train one model on the labelled images: faces against others, or objects."""
    _run("train", model)


@app.command(rich_help_panel=IN_ORDER)
def activations(model: Model) -> None:
    """Compute the activations of a model's named layers for every image."""
    _run("activations", model)


@app.command(rich_help_panel=IN_ORDER)
def neural(protocol: Protocol) -> None:
    """Compute the neural side of the comparisons: mean responses, ceilings, population read-out."""
    _run("neural", protocol)


@app.command(rich_help_panel=IN_ORDER)
def compare(model: Model) -> None:
    """Compare a model's layers with the recorded areas: predictivity, RDMs, ceilings."""
    _run("compare", model)


@app.command(rich_help_panel=IN_ORDER)
def seeds(model: Model) -> None:
    """Retrain a model from further seeds, and score each as the stage compare does."""
    _run("seeds", model)


@app.command(rich_help_panel=IN_ORDER)
def candidates() -> None:
    """Search candidate modules: performance versus predictivity, and what each part of HMO contributes."""
    _run("candidates")


@app.command(rich_help_panel=IN_ORDER)
def timing() -> None:
    """Score models in consecutive time bins after fixation onset."""
    _run("timing")


@app.command(rich_help_panel=IN_ORDER)
def summary() -> None:
    """Gather the results of all models into tidy tables and results/summary.json."""
    _run("summary")


@app.command(rich_help_panel=IN_ORDER)
def figures() -> None:
    """Draw the figures of the paper from results/."""
    _run("figures")


@app.command(rich_help_panel=IN_ORDER)
def report() -> None:
    """Build the paper (report.pdf, report.html) from the figures and results/."""
    _run("report")


@app.command(rich_help_panel=OF_DATA_SETS)
def rdms() -> None:
    """Download published dissimilarities and their images into data/raw."""
    _run("rdms")


@app.command(rich_help_panel=OF_DATA_SETS)
def geometry() -> None:
    """Compare models that were trained elsewhere with published dissimilarities."""
    _run("geometry")


@app.command(rich_help_panel="Before a run")
def check(
    out: Annotated[Path | None, typer.Option(help="file to write if nothing is wrong (used by dvc.yaml)")] = None,
) -> None:
    """Check params.yaml, environment variables, disk, device and scheduler, and print all that is wrong."""
    from analysis.tools.check import problems, write_mark

    if wrong := problems():
        print(*(f"error: {line}" for line in wrong), sep="\n", file=sys.stderr)
        raise typer.Exit(1)
    if out:
        write_mark(out)
    print("params.yaml, environment, disk: nothing wrong")


app.add_typer(audit, name="audit", cls=CommandsByGroup, rich_help_panel=IN_ORDER)
app.add_typer(explain, name="explain", rich_help_panel=IN_ORDER)
app.add_typer(real.app)
app.add_typer(real.store, name="store", cls=CommandsByGroup, rich_help_panel=real.PANEL)
app.add_typer(tools.app)
