"""Files: CSV, Parquet and JSON lines in a folder of the project."""
