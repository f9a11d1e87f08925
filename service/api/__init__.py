"""The HTTP side: routes, what they take and give, who may call, and how errors look. Knows the domain only."""
