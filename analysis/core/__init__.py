"""What every step uses: files, paths, errors, areas, numerics, parallel work."""
