"""The files of a starter project, as `okr-sync init` writes them."""
