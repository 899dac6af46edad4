"""Trains the demo's ner releases: sentences, steps, golden set, release folders."""
