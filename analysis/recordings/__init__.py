"""From spike rasters and gaze to responses: one table of fixations by units for each recording."""
