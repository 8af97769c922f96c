"""How well features predict units: PLS, ridge, decoding."""
