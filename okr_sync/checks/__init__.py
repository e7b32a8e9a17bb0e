"""Checks of what was read and measured: what would make a number wrong, or worth a second look."""
