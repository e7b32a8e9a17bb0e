"""SQL: tables, views and statements of a database, read and never written."""
