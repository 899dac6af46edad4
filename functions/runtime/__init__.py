"""What functions-framework lacks: load → warm → ready, probes, drain, metrics, errors, replies."""
