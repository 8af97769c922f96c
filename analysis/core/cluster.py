"""Independent tasks: in this process, on local workers, or on a cluster.

Where they run is the business of the environment and never changes a result:

- ``NNN_SCHEDULER=tcp://host:8786`` (or the path of a scheduler file): a scheduler and workers started by hand
  (``dask scheduler``, ``python -m analysis worker tcp://host:8786 --nthreads 1``) in folders that see the same files;
  for networks on GPUs one worker for each (``CUDA_VISIBLE_DEVICES=0 python -m analysis worker ... --resources
  "GPU=1"``). ``dask worker`` itself does not fix the numerics, and tasks on it are refused;
- ``NNN_SCHEDULER=slurm``: workers as SLURM jobs, as configured for dask-jobqueue (the extra ``slurm``);
- otherwise ``NNN_WORKERS`` local workers, one process each (default: one per core), and no worker but this process
  where there are few tasks or one worker.
"""

import platform
import shutil
import sys
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import as_completed as completed
from contextlib import contextmanager, suppress
from pathlib import Path

from analysis.core import numerics, settings
from analysis.core.errors import DataError
from analysis.core.numerics import KEPT_BYTES, THREADS, fixed_threads

FEW = 24
"""Up to this many recordings run in this process: starting workers takes as long."""
DIED = "its worker died again and again"
"""How the reason of a task begins whose worker was killed each time, as by a kernel that is out of memory."""
SHARE = 4
"""Tasks that share the GPU of this process."""
JOB_MEMORY = "2GB"
"""Memory of a SLURM job where dask-jobqueue's configuration names none; a worker was seen to need a tenth of it."""
WORKER = "analysis worker"
"""What a SLURM job calls with ``python -m``."""
WAIT_S = 60
"""How long a scheduler may take to answer."""


def run_all(function: Callable, tasks: dict[str, tuple]) -> Iterator[tuple[str, str | None]]:
    """Run ``function(*arguments)`` for each named task, wherever `client_for` says, and yield what `run_on` yields."""
    with client_for(len(tasks), FEW) as client:
        yield from run_on(client, function, tasks)


@contextmanager
def client_for(n_tasks: int, few: int, gpus: int = 0):
    """Yield a dask client for so many tasks, or None where they are to run in this process.

    Parameters
    ----------
    n_tasks : int
    few : int
        Up to so many tasks run in this process, unless a scheduler is given: starting workers takes as long.
    gpus : int
        Of this machine, where the tasks run on GPUs: one worker for each, and none but this process for a single one.
    """
    values = settings.read()
    scheduler, n_workers = values.scheduler, min(gpus or values.workers, n_tasks)
    if n_tasks == 0 or (not scheduler and (n_workers == 1 or n_tasks <= few)):
        yield None
    else:
        with _client(scheduler, n_workers, {"GPU": 1} if gpus else {}) as client:
            yield client


def run_on(
    client,
    function: Callable,
    tasks: dict[str, tuple],
    threads: int = THREADS,
    gpu: bool = False,
    share: int | None = None,
) -> Iterator[tuple[str, str | None]]:
    """Run ``function(*arguments)`` for each named task and yield (name, reason of failure or None) as they end.

    A `DataError` is a failure with its own words; anything else is one too, with its traceback on standard error, so
    that one task never costs the others. A task whose worker dies runs again elsewhere, up to four times; its reason
    then begins with `DIED`.

    Parameters
    ----------
    client : dask client, or None to run the tasks here, one after another
    threads : int
        Of each task's arithmetic.
    gpu : bool
        Whether tasks run on GPUs: on a worker each takes a whole one, of which the worker has as many as its resource
        ``GPU`` says; here they share the only one.
    share : int, optional
        Tasks at once on the GPU of this process, if not `SHARE`.
    """
    if client is None and gpu:
        yield from _share_gpu(threads, function, tasks, share or SHARE)
        return
    if client is None:
        for name, arguments in tasks.items():
            yield name, attempt(threads, function, *arguments)
        return
    from dask.distributed import as_completed

    resources = _gpu_of(client) if gpu else None
    # A scheduler that still knows a key answers it with the result it has: no two calls may share one.
    key = f"{function.__name__}-{{}}-{uuid.uuid4().hex}".format
    futures = {
        client.submit(
            _attempt_there,
            numerics.state(),
            threads,
            function,
            *arguments,
            pure=False,
            resources=resources,
            key=key(name),
        ): name
        for name, arguments in tasks.items()
    }
    for future in as_completed(futures):
        error = future.exception()
        if isinstance(error, DataError):  # of the worker, not of the task
            raise error
        yield futures[future], future.result() if error is None else f"{DIED} ({type(error).__name__})"


def _share_gpu(threads: int, function: Callable, tasks: dict, share: int) -> Iterator[tuple[str, str | None]]:
    """Run tasks on the one GPU of this process, some at once: a small network alone leaves most of it idle."""
    with fixed_threads(threads), ThreadPoolExecutor(share) as pool:
        futures = {pool.submit(_outcome, function, *arguments): name for name, arguments in tasks.items()}
        for future in completed(futures):
            yield futures[future], future.result()


def _gpu_of(client) -> dict[str, int]:
    """Return what a task on a GPU asks of its worker; where no worker has it, the task would wait for ever."""
    with suppress(TimeoutError):
        client.wait_for_workers(1, timeout=WAIT_S)
    if not any(worker["resources"].get("GPU") for worker in client.scheduler_info(n_workers=-1)["workers"].values()):
        raise DataError('no worker of the scheduler offers a GPU: start one for each with --resources "GPU=1"')
    return {"GPU": 1}


def gpu_of_worker(device: str) -> str:
    """Return the device of a task: on one of several local GPU workers, that worker's own GPU."""
    from dask.distributed import get_worker

    try:
        place = get_worker().name
    except ValueError:  # not on a worker
        return device
    return f"cuda:{place}" if device == "cuda" and isinstance(place, int) else device


def attempt(threads: int, function: Callable, *arguments) -> str | None:
    """Call the function with a fixed number of threads; return None, or why it failed."""
    with fixed_threads(threads):
        return _outcome(function, *arguments)


def _attempt_there(here: str, threads: int, function: Callable, *arguments) -> str | None:
    """Call `attempt` on a worker, unless its numerics are not those of the process that asks: bits would differ."""
    if (there := numerics.state()) != here:
        raise DataError(
            f"a worker on {platform.node()} has other numerics than this process ({there}; here {here}):"
            f" start workers with `python -m analysis worker ADDRESS`, with {numerics.VARIABLE} as here"
        )
    return attempt(threads, function, *arguments)


def _outcome(function: Callable, *arguments) -> str | None:
    try:
        function(*arguments)
    except DataError as error:
        return str(error)
    except Exception as error:  # a defect of ours; the other tasks go on
        traceback.print_exc(file=sys.stderr)
        return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}"
    return None


@contextmanager
def _client(scheduler: str | None, n_workers: int, resources: dict[str, int]):
    """Connect to a cluster, or start local workers, and close what was started."""
    import dask
    from dask.distributed import Client, LocalCluster

    # A worker that dies while it starts must not be restarted for ever; results hold no data worth spilling.
    dask.config.set({"distributed.worker.daemon": True, "distributed.scheduler.allowed-failures": 3})
    _keep_memory_of_workers()
    if scheduler is None:
        with (
            LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port: 8787 may be another's
                resources=resources,
            ) as cluster,
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


def _keep_memory_of_workers() -> None:
    """As `numerics.keep_memory`, from the start of a worker: its tasks run in a thread with an arena of its own."""
    import dask

    kept = {f"MALLOC_{name}_": bytes_ for name, bytes_ in KEPT_BYTES.items()} | {"MALLOC_ARENA_MAX": 1}
    dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in kept.items()})


def run_worker(arguments: list[str]) -> None:
    """Be a dask worker, with the options of ``dask worker``; the numerics are those of this process."""
    from distributed.cli.dask_worker import main

    _keep_memory_of_workers()
    main(arguments, prog_name="python -m analysis worker")


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
    # Each job is ``python -m analysis worker``, which fixes the numerics by the processor it finds.
    cluster = SLURMCluster(cores=1, processes=1, memory=memory, worker_command=WORKER)
    cluster.scale(n_workers)
    return cluster
