"""What plain functions-framework calls: `--target main --source functions/ner/main.py --asgi`."""

from functions.ner.app import function
from functions.runtime.framework import target

main = target(function)
