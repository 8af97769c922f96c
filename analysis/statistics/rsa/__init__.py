"""Representational similarity analysis: RDMs, their comparison, its bounds and its uncertainty."""
