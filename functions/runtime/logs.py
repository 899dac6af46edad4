"""Logs are JSON, one line each, on standard output: the platform collects them from there."""

import json
import logging
import sys
from datetime import UTC, datetime

from functions.runtime import context
from functions.runtime.settings import RuntimeSettings


class JsonFormatter(logging.Formatter):
    """One record → one JSON line with the fields that every log query may rely on."""

    def __init__(self, service: str, revision: str) -> None:
        super().__init__()
        self._identity = {"service": service, "revision": revision}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; `extra={"fields": {...}}` adds fields, an exception adds `error`."""
        line: dict[str, object] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "request_id": context.request_id(),
            "trace_id": context.trace_id(),
            **self._identity,
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        text = json.dumps(line, ensure_ascii=False, default=str)
        return text.encode(errors="backslashreplace").decode()  # half a surrogate pair is not UTF-8


def configure(settings: RuntimeSettings) -> None:
    """Send every logger to standard output as JSON; quiet the libraries' chatter."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(settings.service, settings.revision))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "botocore", "boto3", "urllib3", "chromadb", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
