"""What Grafana shows: its provisioning, the dashboards, and the code that makes and draws them."""
