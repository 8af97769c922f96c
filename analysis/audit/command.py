"""Command ``audit``: run the stage, or audit a table of your own."""

import os
from pathlib import Path
from typing import Annotated

import typer

from analysis.core.errors import DataError
from analysis.core.files.claim import FORCE_HELP, claim_folder

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def audit(context: typer.Context) -> None:
    """Attribute the difference between the two protocols to their choices; or audit a table of your own."""
    dataset = context.parent.params["dataset"]
    if context.invoked_subcommand is None:
        from analysis.run import run_stage

        run_stage("audit", dataset=dataset)
    elif dataset is not None:
        raise DataError(f"audit {context.invoked_subcommand} takes files of your own: leave out --dataset")


@app.command()
def table(
    path: Annotated[
        Path, typer.Argument(metavar="TABLE.csv", readable=False, help="one row per image, one column per unit")
    ],
    label: Annotated[
        str, typer.Option(help="label column, or a csv file that gives labels or lists the images of one class")
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", readable=False, help="folder for the tables and summary.json")],
    block: Annotated[
        str | None, typer.Option(help="column or csv file with each image's recording; detected if omitted")
    ] = None,
    rows: Annotated[int, typer.Option(min=30, help="images per sample for comparing RDMs")] = 200,
    draws: Annotated[int, typer.Option(min=1, help="number of image samples")] = 10,
    shuffles: Annotated[int, typer.Option(min=100, help="permutations of the images in the tests")] = 199,
    seed: Annotated[int, typer.Option(min=0, help="random seed")] = 0,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Audit any table of images x units: filled cells, blocks, labels by block, controls for its RDM."""
    from analysis.audit.table import response_table, table_audit
    from analysis.core import reading

    inputs = [path, *(Path(file) for file in (label, block) if file is not None)]
    reading.check_raw([os.path.relpath(one) for one in inputs])
    claim_folder(out, names=table_audit.FILES, inputs=inputs, force=force)
    responses = response_table.read(path, label, block)
    result = table_audit.audit_table(responses, rows=rows, draws=draws, shuffles=shuffles, seed=seed)
    table_audit.write(result, out)
    for line in describe(result.summary):
        print(line)
    print(f"wrote {out}: {', '.join(table_audit.FILES)}")


def describe(summary: dict) -> list[str]:
    """Return the audit of a table in a few lines of text."""
    pure = summary["largest_pure_run"]
    lines = [
        f"{summary['images']} images, {summary['units']} units; labels "
        + ", ".join(f"{name}: {count}" for name, count in summary["labels"].items()),
        f"filled or empty: {summary['cells_filled']:.1%} of cells, {summary['rows_touched']:.1%} of rows",
        f"{summary['blocks']} blocks ({summary['blocks_from']}) explain a median of "
        f"{summary['variance_by_block_median']:.0%} of a unit's variance"
        if summary["blocks"] > 1
        else "no blocks found: no cells are filled and responses do not change along the rows; if the rows come from "
        "several recordings, name them with --block to compare within them",
    ]
    if summary["unnamed_rows"]:
        lines.append(
            f"{summary['unnamed_rows']} rows name no image and are left out; if counted with the preceding block,"
            f" blocks explain {summary['variance_by_block_with_unnamed']:.0%}"
        )
    if pure:
        lines.append(
            f"{pure['rows']} of {pure['of_label']} images labelled {pure['label']!r} form one run of rows"
            f" (from row {pure['first_row']}, {pure['units']} units) without any other label"
        )
    for name, found in summary["controls"].items():
        lines.append(
            f"RDM of {name}: {_interval(found, 'rho')}; within blocks {_interval(found, 'within')}; without"
            f" block means {_interval(found, 'partial')} ({MEANING[found['verdict']]})"
        )
    return lines


MEANING = {
    "none": "not above chance",
    "not identifiable": "label and block coincide, so the table cannot separate them",
    "within blocks": "holds within blocks",
    "blocks": "carried by blocks",
    "undecided": "neither within blocks nor carried by them",
}
"""What a verdict on an RDM correlation means (`analysis.statistics.block_confound`)."""


def _interval(found: dict, name: str) -> str:
    return f"rho {found[name]:.2f} ({found[f'{name}_low']:.2f} to {found[f'{name}_high']:.2f})"
