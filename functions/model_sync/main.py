"""The entry for plain functions-framework: `--target main --asgi`."""

from functions.model_sync.app import function
from functions.runtime.framework import target

main = target(function)
