"""Networks with published weights, which are used unchanged: what training on natural objects gives."""
