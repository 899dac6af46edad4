"""Knative Eventing on a laptop: controllers over the store around `eventing.broker`."""
