"""Driven adapters of the port `JobStore`: `sqlite` is durable and shared by processes, `memory` is neither.

Read `sqlite` first (the adapter), then `writer` (group commit), `database` (the file and its identity) and `statements`
(the SQL of each change). `transition` holds the rules that both stores share.
"""
