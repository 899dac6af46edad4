"""For plain functions-framework: `--target main --source functions/event_log/main.py --asgi`."""

from functions.event_log.app import function
from functions.runtime.framework import target

main = target(function)
