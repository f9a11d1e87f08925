"""A jobs service: POST a job, it is durable before the answer, and a worker beside the API runs it."""

__version__ = "0.1.0"
