"""Graphs of steps that answer a request: read from a file, checked, compiled, run."""
