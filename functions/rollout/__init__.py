"""rollout: a changed Service → warm → golden set → canary → promoted or rolled back."""
