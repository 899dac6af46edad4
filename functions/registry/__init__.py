"""Releases: what a model version is, which are kept, where they are cached, how they are stored."""
