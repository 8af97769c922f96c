"""Representational similarity analysis: compare RDMs, bound what a model can reach, and say how sure the result is.

>>> from analysis.compare import rdm, rsa
>>> rsa.compare(rdm.rdm(activations, images=stems), rdm.rdm(responses, images=shown), "rho-a")  # doctest: +SKIP
"""

from analysis.compare.bootstrap import Bootstrap, bootstrap, both_interval
from analysis.compare.similarity import METHODS, POOLS, aligned, cka, compare, noise_ceiling, upper_bound, vectors

__all__ = [
    "METHODS",
    "POOLS",
    "Bootstrap",
    "aligned",
    "bootstrap",
    "both_interval",
    "cka",
    "compare",
    "noise_ceiling",
    "upper_bound",
    "vectors",
]
