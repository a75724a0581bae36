"""Alembic's environment and the revisions. A schema only grows: expand first, contract in a later version."""
