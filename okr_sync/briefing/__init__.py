"""What leaders and teams are told: the report, the digest, and messages about broken key results."""
