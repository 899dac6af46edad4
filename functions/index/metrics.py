"""The index's size, told by whoever has it open: read when it is asked for, so it is never of yesterday."""

from collections.abc import Callable

from functions.runtime.metrics import gauge

INDEX_SIZE = gauge("embedding_index_size", "Chunks in the current generation of the index")
INDEX_CHECKED = gauge(
    "embedding_index_checked_timestamp_seconds",
    "When the index was last known to have all documents",
)


def tell_size(size: Callable[[], float]) -> None:
    """Let `size` say it from now on."""
    INDEX_SIZE.labels().set_function(size)
