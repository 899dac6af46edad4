"""Manifests, the typed Knative client with its pure decisions, and the laptop platform."""
