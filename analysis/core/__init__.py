"""What every step shares: numerics, files, errors."""
