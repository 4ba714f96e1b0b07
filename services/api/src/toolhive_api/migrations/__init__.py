"""Alembic migrations, shipped inside the package and run at start-up. A released one is never changed."""
