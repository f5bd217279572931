"""Sizes of screens, and how long a page may take on a busy machine."""

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 45_000
"""What is waited for comes in well under a second; this is for a machine that has other things to do."""
