"""For plain functions-framework: `--target main --source functions/s3_events/main.py --asgi`."""

from functions.runtime.framework import target
from functions.s3_events.app import function

main = target(function)
