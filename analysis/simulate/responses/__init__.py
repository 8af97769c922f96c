"""What simulated units respond to, how strongly, and how their responses vary."""
