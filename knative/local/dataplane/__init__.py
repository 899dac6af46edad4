"""The data plane: Envoy carries the requests, what is ours is the deciding."""
