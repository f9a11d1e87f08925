"""Are there advisories about what the locks hold? `make audit`."""
