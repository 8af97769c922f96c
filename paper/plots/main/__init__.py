"""The figures of the main text."""
