"""Recordings as independent tasks: in this process, on local workers, or on a cluster.

Where they run is the business of the environment and never changes a result:

- ``NNN_SCHEDULER=tcp://host:8786`` (or the path of a scheduler file): a scheduler and workers started by hand
  (``dask scheduler``, ``dask worker tcp://host:8786 --nthreads 1``) in folders that see the same files;
- ``NNN_SCHEDULER=slurm``: workers as SLURM jobs, as configured for dask-jobqueue (the extra ``slurm``);
- otherwise ``NNN_WORKERS`` local workers, one process each (default: one per core), and no worker but this process
  where there are few tasks or one worker.
"""

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.errors import DataError
from analysis.runtime import THREADS, workers

FEW = 24
"""Up to this many tasks run in this process: starting workers takes as long."""
JOB_MEMORY = "2GB"
"""Memory of a SLURM job where dask-jobqueue's configuration names none; a worker was seen to need a tenth of it."""
WAIT_S = 60
"""How long a scheduler may take to answer."""


def run_all(function: Callable, tasks: dict[str, tuple]) -> Iterator[tuple[str, str | None]]:
    """Run ``function(*arguments)`` for each named task and yield (name, reason of failure or None) as they end.

    A `DataError` is a failure with its own words; anything else is one too, with its traceback on standard error, so
    that one recording never costs the others. A task whose worker dies runs again elsewhere, up to four times.
    """
    scheduler, n_workers = os.environ.get("NNN_SCHEDULER"), min(workers(), len(tasks))
    if not tasks:
        return
    if not scheduler and (n_workers == 1 or len(tasks) <= FEW):
        for name, arguments in tasks.items():
            yield name, attempt(function, *arguments)
        return
    from dask.distributed import as_completed

    with _client(scheduler, n_workers) as client:
        futures = {
            client.submit(attempt, function, *arguments, pure=False, key=f"recording-{name}"): name
            for name, arguments in tasks.items()
        }
        for future in as_completed(futures):
            error = future.exception()
            reason = future.result() if error is None else f"its worker died again and again ({type(error).__name__})"
            yield futures[future], reason


def attempt(function: Callable, *arguments) -> str | None:
    """Call the function with a fixed number of threads; return None, or why it failed."""
    from analysis.runtime import fixed_threads

    try:
        with fixed_threads(THREADS):
            function(*arguments)
    except DataError as error:
        return str(error)
    except Exception as error:  # a defect of ours; the other recordings go on
        traceback.print_exc(file=sys.stderr)
        return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
    return None


@contextmanager
def _client(scheduler: str | None, n_workers: int):
    """Connect to a cluster, or start local workers, and close what was started."""
    import dask
    from dask.distributed import Client, LocalCluster

    # A worker that dies while it starts must not be restarted for ever; results hold no data worth spilling.
    dask.config.set({"distributed.worker.daemon": True, "distributed.scheduler.allowed-failures": 3})
    if scheduler is None:
        with (
            LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            yield client
    elif scheduler == "slurm":
        with _slurm(n_workers) as cluster, Client(cluster) as client:
            yield client
    else:
        where = {"scheduler_file": scheduler} if Path(scheduler).is_file() else {"address": scheduler}
        try:
            client = Client(**where, timeout=WAIT_S)
        except (OSError, ValueError) as error:
            raise DataError(f"NNN_SCHEDULER={scheduler}: no scheduler answers there ({error})") from error
        with client:
            yield client


def _slurm(n_workers: int):
    """Ask SLURM for workers, one process and one core each; all else comes from dask-jobqueue's configuration."""
    import dask

    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise DataError("NNN_SCHEDULER=slurm needs dask-jobqueue: install the extra 'slurm'") from error
    if shutil.which("sbatch") is None:
        raise DataError("NNN_SCHEDULER=slurm: there is no command sbatch here; run on a login node of the cluster")
    memory = dask.config.get("jobqueue.slurm.memory", None) or JOB_MEMORY
    cluster = SLURMCluster(cores=1, processes=1, memory=memory)
    cluster.scale(n_workers)
    return cluster
