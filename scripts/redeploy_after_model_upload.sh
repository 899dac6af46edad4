#!/usr/bin/env bash
# Bring every Service of a namespace to the newest published version of its model, and wait.
# An upload does this by itself; this is for when a notification was lost. See --help.
set -euo pipefail

usage="usage: $0 <namespace> [--timeout SECONDS] [--json]"
case "${1:-}" in
  -h | --help)
    echo "$usage"
    echo "Announces the newest version of every model in the bucket again, as its upload did,"
    echo "and waits until the Services serve it (exit 0) or a rollout refused it (exit 1)."
    exit 0
    ;;
  "" | -*)
    echo "$usage" >&2
    exit 2
    ;;
esac

root="$(cd "$(dirname "$0")/.." && pwd)"
python="${MARKETRESEARCH_PYTHON:-$root/.venv/bin/python}"
if [[ ! -x "$python" ]]; then
  echo "The project is not installed yet: run ./scripts/up first." >&2
  exit 1
fi
namespace="$1"
shift
cd "$root"
exec "$python" -m scripts.cli models resync --namespace "$namespace" --wait "$@"
