"""The dashboards as pictures, for those who read the project without running it."""
