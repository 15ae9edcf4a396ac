"""Django's way to PostgreSQL, but that it reads times quicker."""
