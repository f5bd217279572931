"""Processes beside the server that answer inference on its port."""
