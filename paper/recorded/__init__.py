"""Recorded data sets: a committed table of each (``<name>.json``), what it says, and a report on one of them."""
