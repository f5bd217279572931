"""Strategies of a sweep, one file each: a class with ``ask`` and ``tell``, added to ``base.TUNERS``."""
