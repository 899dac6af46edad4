"""warmer: whoever is about to be asked is awake before the question comes."""
