"""Looking at numbers: what a draft would give, how a definition reads, which records made a number."""
