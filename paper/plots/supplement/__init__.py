"""The figures of the supplement."""
