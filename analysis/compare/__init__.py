"""Comparison of network layers with visual areas: predictivity, RDMs, noise ceilings and their intervals."""
