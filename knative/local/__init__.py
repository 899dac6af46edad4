"""The laptop platform: Knative and Kubernetes APIs, Revisions as processes, one asyncio process."""
