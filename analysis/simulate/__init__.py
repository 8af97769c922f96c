"""The embedded default: a simulated experiment in the published layout, with known truth."""
