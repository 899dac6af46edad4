"""Serving: what we know of Knative Services, and how a change of one is judged and rolled out."""
