"""Bringing the system up on one machine: models, platform process, first contents."""
