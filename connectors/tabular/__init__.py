"""Tables of rows: what the connectors of databases and of files have in common."""
