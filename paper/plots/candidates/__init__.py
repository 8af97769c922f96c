"""The search for HMO: performance against predictivity of its candidates, and its ablation."""
