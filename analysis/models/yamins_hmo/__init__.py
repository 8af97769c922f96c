"""HMO of Yamins et al. (2014)."""
