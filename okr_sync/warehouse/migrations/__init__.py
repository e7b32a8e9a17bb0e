"""The migrations of the warehouse's tables, run by Alembic.

Belongs here: env and versions. A new migration: change tables.py, add versions/NNNN_<what>.py by
hand after the pattern of the last one, set connect.HEAD; a test compares both.
"""
