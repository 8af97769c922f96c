"""Impossible values of params.yaml and of environment variables: the first command says so, before anything runs."""

from tests.faults.case import Case, params, remove, together, write

ALL = ("data", "models", "results", "paper", "params.yaml")
BUT_THE_MARK = ("data/[!c]*", *ALL[1:])
"""All but data/checked, the output of stage check, which DVC removes before it runs the stage."""
IMPOSSIBLE: dict[str, tuple[dict, str]] = {
    "infinite": ({"models__pixels__C": float("inf")}, r"models\.pixels\.C = inf: give a finite number"),
    "not-a-number": ({"stimuli__test": float("nan")}, r"stimuli\.test = nan: give a finite number"),
    "area": ({"acquire__areas": ["IT"]}, r"acquire\.areas holds 'IT': give all or a list of 1 or more, each V1, V2"),
    "negative": ({"seed": -1}, r"seed = -1: give a whole number of 0 or more"),
    "text-for-number": ({"compare__folds": "5"}, r"compare\.folds = '5': give a whole number"),
    "switch-for-number": ({"audit__seeds": True}, r"audit\.seeds = True: give a whole number"),
    "null": ({"recordings": None}, r"recordings = None: give the keys window_ms"),
    "huge": ({"compare__bootstrap": 10**30}, r"compare\.bootstrap = 10+: give a whole number from 1 to 1,000,000"),
    "shares": ({"stimuli__validation": 0.8}, r"stimuli: validation \+ test = 1\.05: leave a share"),
    "unknown-key": ({"compare__fold": 3}, r"unknown key compare\.fold; did you mean folds\?"),
    "unknown-kind": ({"models__pixels__kind": "pixel"}, r"models\.pixels\.kind = 'pixel': choose one of category"),
    "name-of-a-path": ({"models__run": ["../precious"]}, r"models\.run holds '\.\./precious': give a list"),
    "name-of-a-command": ({"models__run": ["a;touch X"]}, r"models\.run holds 'a;touch X': give a list"),
    "no-such-model": ({"models__run": ["hmo_reprot"]}, r"run names 'hmo_reprot'"),
    "explained": ({"models__run": ["pixels"]}, r"explain\.models names hmo_report: give models of models\.run"),
    "timed": ({"timing__models": ["hmo", "x"]}, r"timing\.models names x: give models of models\.run"),
    "bins": ({"timing__edges_ms": [0, 50, 50]}, r"timing: edges_ms = \[0, 50, 50\]: give increasing numbers"),
    "searched": ({"candidates__model": "pixels"}, r"candidates\.model = 'pixels' is of kind pixels, not of kind hmo"),
    "ablated": ({"candidates__ablation__hmo__n_filt": [[6, 8]]}, r"n_filt = \[6, 8\]: give multiples of 4"),
    "twice": ({"models__run": ["hmo", "hmo_report", "hmo"]}, r"models\.run lists hmo twice"),
}
"""Values, and what is said of them."""

VARIABLES = {
    "workers": ("NNN_WORKERS", "0", r"NNN_WORKERS='0': give a whole number of workers"),
    "device": ("NNN_DEVICE", "foo", r"NNN_DEVICE='foo': give cpu, cuda or cuda:N"),
    "no-gpu": ("NNN_DEVICE", "cuda:77", r"NNN_DEVICE=cuda:77: torch sees"),
    "numerics": ("NNN_NUMERICS", "fast", r"NNN_NUMERICS='fast': give fixed"),
    "connections": ("NNN_CONNECTIONS", "many", r"NNN_CONNECTIONS='many': give a whole number"),
    "address": ("NNN_DANDI_API", "ftp://x", r"NNN_DANDI_API='ftp://x': give an address"),
    "misspelt": ("NNN_WORKER", "1", r"NNN_WORKER: no such variable; did you mean NNN_WORKERS\?"),
    "scheduler": ("NNN_SCHEDULER", "tcp://127.0.0.1:1", r"no scheduler answers there"),
    "scheduler-words": ("NNN_SCHEDULER", "my cluster", r"NNN_SCHEDULER=my cluster: give slurm, a scheduler's file"),
    "scheduler-file": ("NNN_SCHEDULER", "{folder}/params.yaml", r"not a dask scheduler file"),
    "store": ("NNN_STORE", "{folder}/params.yaml", r"the store \S+ cannot be written"),
}
COMMANDS = ["check", "stimuli", "train pixels", "report"]

CASES = [
    *(
        Case(f"params-{name}-{command.split()[0]}", command, said, params(**values), intact=ALL, linked=True)
        for name, (values, said) in IMPOSSIBLE.items()
        for command in COMMANDS
    ),
    *(
        Case(f"check-{name}", "check", said, env={variable: value}, intact=ALL, linked=True)
        for name, (variable, value, said) in VARIABLES.items()
    ),
    *(
        Case(f"{name}-{command.split()[0]}", command, said, fault, intact=ALL[:-1], linked=True)
        for command in ("check", "stimuli", "report", "plan")
        for name, fault, said in (
            ("params-missing", remove("params.yaml"), r"params\.yaml not found: run from the folder that holds it"),
            ("params-not-yaml", write("params.yaml", "seed: [1,\n"), r"params\.yaml is not YAML"),
            ("params-binary", write("params.yaml", b"\xff\xfe\x00"), r"params\.yaml is not YAML"),
            ("params-empty", write("params.yaml", ""), r"give the keys seed, acquire"),
            ("params-endless", write("params.yaml", "seed: &a [*a]\n"), r"it contains a recursive alias"),
            ("params-a-folder", together(remove("params.yaml"), write("params.yaml/x", "")), r"Is a directory"),
        )
    ),
    Case(
        "repro-name-of-a-path",
        "$ mkdir precious && touch precious/x && dvc repro train",
        r"failed to reproduce 'check'",
        params(models__run=["hmo", "hmo_report", "../precious"]),
        status=255,
        intact=(*BUT_THE_MARK, "precious"),
        lines=4,
        linked=True,
    ),
    Case(
        "repro-name-of-a-command",
        "$ dvc repro train; test $? = 255 && test ! -e X",
        r"failed to reproduce 'check'",
        params(models__run=["hmo", "hmo_report", "a;touch X"]),
        status=0,
        intact=BUT_THE_MARK,
        lines=4,
        linked=True,
    ),
]
