"""What plain functions-framework calls: `--target main --source functions/ner/main.py --asgi`."""

from functions.ner.app import function
from functions.runtime.function import target

main = target(function)
