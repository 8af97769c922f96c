"""Networks with published weights, trained on natural objects and used unchanged."""
