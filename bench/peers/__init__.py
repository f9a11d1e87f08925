"""This service beside other job queues of Python, on the same machine. `python -m bench.peers --help`.

They do not promise the same: each row says what is on disk before the 202 and how often a job may run. Every module
named after a system holds all that is that system's; `roster` lists them; the rest knows none of them.
"""
