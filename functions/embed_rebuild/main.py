"""For plain functions-framework: `--target main --source functions/embed_rebuild/main.py --asgi`."""

from functions.embed_rebuild.app import function
from functions.runtime.framework import target

main = target(function)
