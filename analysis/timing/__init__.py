"""How well models predict responses in consecutive time bins after fixation onset."""
