"""Knative Serving on one machine: Service → Configuration → Revision → Route."""
