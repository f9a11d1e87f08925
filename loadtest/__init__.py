"""A load test that judges: arrivals at their own times, exact samples, and a second opinion from Prometheus."""
