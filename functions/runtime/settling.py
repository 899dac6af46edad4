"""First the form that opens quickly, then the one that runs quickly: opened behind the traffic.

The new session is open, and has been asked its probe, before the old one is let go, and each batch
is answered by one of them as a whole. The change begins after the second batch, so whoever was woken
for nothing, or for one question, never pays for it. When it fails, the quick form goes on.
"""

import logging
import threading
import time
from collections.abc import Callable
from itertools import count

from functions.runtime.encoder import Encoder, Output, Tokens, UnusableForm
from functions.runtime.model_metrics import FALLBACKS

_LOG = logging.getLogger(__name__)
SETTLE_AFTER = 2


class Settling:
    """An encoder that changes its session once; to nearly the same answers, by what was wished."""

    def __init__(self, quick: Encoder, open_steady: Callable[[], Encoder]) -> None:
        self.name, self.proven, self.packs = quick.name, quick.proven, quick.packs
        self._current, self._open_steady = quick, open_steady
        self._runs = count(1)  # atomic: two threads may run batches
        self._change = threading.Thread(target=self._settle, name="settle")

    def run(self, input_ids: Tokens, attention_mask: Tokens, token_type_ids: Tokens) -> Output:
        """Run one padded batch, by whichever session is current when it begins."""
        output = self._current.run(input_ids, attention_mask, token_type_ids)
        if next(self._runs) == SETTLE_AFTER:
            self._change.start()
        return output

    @property
    def settled(self) -> bool:
        """True once the change was made, or was given up."""
        return self._change.ident is not None and not self._change.is_alive()

    def _settle(self) -> None:
        started = time.monotonic()
        try:
            self._current = self._open_steady()
        except Exception as error:  # noqa: BLE001 - whatever it is, the quick form answers rightly
            reason = error.reason if isinstance(error, UnusableForm) else "unreadable"
            FALLBACKS.labels(form="steady", reason=reason).inc()
            _LOG.warning("the quick form goes on: %s", error)
            return
        seconds = round(time.monotonic() - started, 3)
        _LOG.info("steady", extra={"fields": {"steady_seconds": seconds}})
