"""Documents in S3 → a new generation of the embedding index, incrementally, blue/green."""
