"""A jobs service: POST a job, it is durable before the answer, and a worker beside the API runs it."""
