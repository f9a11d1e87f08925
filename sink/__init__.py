"""Shows what Alertmanager would send: a receiver for development that writes one log line per notification."""
