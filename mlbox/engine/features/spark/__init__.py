"""``ENGINE spark``: the same definition, computed by Spark."""
