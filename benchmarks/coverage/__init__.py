"""How often intervals cover a known truth, and contrasts find a difference where there is none."""
