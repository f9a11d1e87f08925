"""What `make slo` makes from slo.yaml."""
