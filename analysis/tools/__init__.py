"""Tools for use by hand, on single files or other copies of the project."""
