"""Candidates of the HMO search: performance against predictivity, and what each part of the procedure is worth."""
