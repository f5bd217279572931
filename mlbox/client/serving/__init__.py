"""User code that answers requests: what runs in the process of an endpoint's function or model."""
