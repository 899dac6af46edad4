"""The entry for plain functions-framework: `--target main --asgi`."""

from functions.runtime.framework import target
from functions.warmer.app import function

main = target(function)
