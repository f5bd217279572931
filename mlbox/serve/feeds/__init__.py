"""Feeds: rows of streams, tables and the clock on their way to endpoints, and answers on their way out."""
