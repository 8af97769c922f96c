"""The audit: choices of protocol, controls, and the merged table."""
