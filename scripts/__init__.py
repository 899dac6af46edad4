"""Entry points for people: up, down, demo, test, check, publishing a model."""
