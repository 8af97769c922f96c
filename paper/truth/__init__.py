"""What simulations with known truth say of the methods: committed tables of benchmarks, which the supplement shows."""
