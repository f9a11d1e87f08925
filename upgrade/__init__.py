"""Replaces the service's container by one of a new image, while clients submit: `python3 -m upgrade`.

Needs Docker with Compose and a Python 3.11 with nothing installed, so that a server can run it too. Read `switch` first
(the steps, and what happens when one fails), then `stack` (how Docker is asked); `client` and `trial` measure it.
"""
