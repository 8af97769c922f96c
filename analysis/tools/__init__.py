"""Command-line tools for single files and for other copies of the project."""
