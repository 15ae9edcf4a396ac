"""The demo's applications: what lies in their repositories, and how it came about."""
