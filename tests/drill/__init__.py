"""The drill: a database is destroyed while a client submits, and restored. `make drill`."""
