"""The neural side: populations of units, their means, reliability and read-out."""
