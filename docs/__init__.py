"""The documentation, and `docs.generate`, which draws its pictures."""
