"""Whether neurons respond more where a map has more mass, fixation by fixation."""
