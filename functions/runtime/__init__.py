"""What functions-framework lacks: load → warm → ready, probes, drain, metrics, errors, replies."""

import warmup  # noqa: F401 - turns ONNX Runtime's telemetry off before anybody imports it
