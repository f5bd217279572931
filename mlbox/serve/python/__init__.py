"""User code that answers requests: processes in environments of their own, and who asks them."""
