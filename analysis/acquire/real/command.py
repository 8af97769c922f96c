"""Commands for the real data: the size of the selection, the store of downloaded files, workers on other machines."""

from typing import Annotated

import typer

from analysis.core.errors import DataError

PANEL = "The real data"

app = typer.Typer(rich_markup_mode=None)
store = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Manage the store of downloaded files.")


@app.command(rich_help_panel=PANEL)
def plan(
    dataset: Annotated[
        str | None, typer.Option(metavar="NAME", help="an entry of recorded.datasets, in place of acquire")
    ] = None,
) -> None:
    """Show what params.yaml selects (recordings, units, files, bytes) without downloading data."""
    from analysis import params
    from analysis.acquire.real.plan import plan_of

    print(plan_of(params.load(), dataset))


@app.command(
    rich_help_panel=PANEL,
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
def worker(context: typer.Context) -> None:
    """Run a worker of a dask scheduler with the numerics of the pipeline: ADDRESS and options of `dask worker`."""
    from analysis.core.cluster import run_worker

    run_worker(context.args)


@store.command()
def verify() -> None:
    """Verify every file in the store; remove damaged files, which are downloaded again when needed."""
    from analysis.acquire.real import keep

    if bad := keep.verify():
        raise DataError(f"{len(bad)} damaged files removed from the store: {', '.join(bad)}; run acquire again")
    print("all files in the store match their hashes")


@store.command("list")
def list_store() -> None:
    """List the files of the store: hash, size, published name."""
    from analysis.acquire.real import keep

    print("\n".join(keep.listing()))


@store.command()
def prune(
    files: Annotated[
        bool, typer.Option("--files", help="also remove files that the current selection does not need")
    ] = False,
    days: Annotated[
        float, typer.Option(help="remove unfinished downloads and work older than this many days", min=0)
    ] = 30,
) -> None:
    """Remove old unfinished downloads and work, and with --files also files that params.yaml does not select."""
    from analysis import params
    from analysis.acquire.real import keep
    from analysis.acquire.real.blobs import show_bytes

    print(f"removed {show_bytes(keep.prune(keep.selections(params.load()) if files else None, days))}")
