"""What the commands do, one module each; `okr_sync.cli` has their words and options."""
