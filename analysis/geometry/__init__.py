"""Comparison of models with published dissimilarities, for data sets without responses of units."""
