"""Runs on disk: recorded, compared, interrupted, resumed."""
