"""One module a migration, numbered; a published one is never edited."""
