"""The audit: ladder of protocols, controls, and the merged table."""
