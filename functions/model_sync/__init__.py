"""model-sync: S3 → model cache: verify, fetch, publish atomically."""
