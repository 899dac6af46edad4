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

namespace="$1"
shift
exec "$(dirname "$0")/marketresearch" models resync --namespace "$namespace" --wait "$@"
