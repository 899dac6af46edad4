"""For plain functions-framework: `--target main --source functions/notify/main.py --asgi`."""

from functions.notify.app import function
from functions.runtime.framework import target

main = target(function)
