"""How often intervals contain a planted truth, and contrasts see a difference where there is none."""
