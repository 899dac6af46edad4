"""Keeps cold starts away from users: prepared model forms, read-ahead, forecast."""

import os

# Since 1.29 ONNX Runtime reports its use to its maker: from a thread that every process would have,
# to a host that no network policy of ours lets through. It is read when the library is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
