"""From results to figures to the report: reads ``results/`` and nothing before it."""
