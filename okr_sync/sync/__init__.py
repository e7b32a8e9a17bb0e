"""What a sync run does between pulling and publishing, without Dagster and without network."""
