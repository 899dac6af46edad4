"""The index's size, told by whoever has it open."""

from functions.runtime.metrics import gauge

INDEX_SIZE = gauge("embedding_index_size", "Chunks in the current generation of the index")
INDEX_CHECKED = gauge(
    "embedding_index_checked_timestamp_seconds",
    "When the index was last known to have all documents",
)
