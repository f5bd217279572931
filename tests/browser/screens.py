"""Sizes of screens."""

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
