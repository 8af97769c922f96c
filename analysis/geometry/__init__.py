"""Models against published dissimilarities: data sets without responses of units."""
