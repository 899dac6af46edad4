"""The Knative Service functions, one folder each, over one small runtime and a model registry."""
