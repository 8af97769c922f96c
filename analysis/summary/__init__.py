"""All results as tidy tables, and the numbers of the paper."""
