"""For plain functions-framework: `--target main --source functions/inference/main.py --asgi`."""

from functions.inference.app import function
from functions.runtime.framework import target

main = target(function)
