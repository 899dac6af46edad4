"""What every function that serves a model counts, under the names that dashboards know."""

from functions.runtime.metrics import counter, gauge, histogram

INFERENCE_REQUESTS = counter(
    "inference_requests_total", "Requests to a model, by how they ended", ("model", "result")
)
INFERENCE_SECONDS = histogram(
    "inference_latency_seconds", "Seconds from request to answer, waiting included", ("model",)
)
MODEL_INFO = gauge("model_info", "1 for the release that is loaded", ("name", "version", "digest"))
FALLBACKS = counter(
    "model_fallbacks_total", "Forms of a model that were passed over", ("form", "reason")
)
