"""The warehouse: tables, publishing and reading, on SQLite or PostgreSQL."""
