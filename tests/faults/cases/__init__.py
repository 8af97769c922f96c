"""All cases: every module of this folder has a list ``CASES``."""

from importlib import import_module
from pkgutil import iter_modules

from tests.faults.case import Case


def collect() -> dict[str, Case]:
    """Return the cases by name, module by module."""
    cases: dict[str, Case] = {}
    for module in sorted(found.name for found in iter_modules(__path__)):
        for case in import_module(f"{__name__}.{module}").CASES:
            if case.name in cases:
                raise ValueError(f"two cases are named {case.name}")
            cases[case.name] = case
    return cases
