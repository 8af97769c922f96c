"""Representational similarity analysis: RDMs, their comparison, noise ceilings and uncertainty."""
