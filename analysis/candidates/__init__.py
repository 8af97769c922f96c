"""Candidates of the HMO search: performance versus predictivity, and the contribution of each part of the procedure."""
