"""Publish a model release: its files in parallel, its manifest last.

The upload's notification does the rest: sync, canary, promotion or rollback.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from functions.registry.bucket import configure_bucket
from functions.registry.errors import RegistryError
from functions.registry.manifest import Manifest
from functions.registry.publish import describe, upload
from functions.registry.signing import sign
from functions.registry.sources import bucket_of, local_folder
from functions.registry.store import ModelStore, connect
from scripts.environment import load_platform_env
from scripts.progress import Bar, mebibytes

QUEUE = "marketresearch-s3"
_HINTS = {"bucket_missing": ": there is no such bucket, --configure-bucket makes it"}


def main(arguments: list[str]) -> int:
    """Publish; return the exit code: 0 published (or there already), 1 refused or failed."""
    options = parser().parse_args(arguments)
    if options.endpoint_url:
        os.environ["AWS_ENDPOINT_URL"] = options.endpoint_url
    try:
        return _run(options)
    except RegistryError as error:
        hint = _HINTS.get(getattr(error, "reason_code", ""), "")
        print(f"error: {error}{hint}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # who read this has seen enough: `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(options: argparse.Namespace) -> int:
    with local_folder(options.model_path, os.environ, options.release_json) as folder:
        return _publish(folder, options)


def _publish(folder: Path, options: argparse.Namespace) -> int:
    manifest = describe(folder, datetime.now(UTC), allow_pickles=options.allow_pickles)
    if options.sign:
        manifest = sign(folder, manifest, options.sign)
    count = f"{len(manifest.files)} files, {mebibytes(manifest.size)}"
    print(f"{manifest.folder}: {count}, {manifest.digest}")
    if options.dry_run:
        for entry in manifest.files:
            print(f"  {entry.path}  {mebibytes(entry.size)}  {entry.sha256[:12]}")
        print("Nothing was uploaded (--dry-run).")
        return 0
    print(load_platform_env())
    bucket, environ = bucket_of(options.bucket, os.environ)
    client = connect("s3", environ)
    if options.configure_bucket:
        url = configure_bucket(client, connect("sqs", environ), bucket, options.queue)
        print(f"Bucket {bucket} is versioned and notifies {url}")
    return _send(folder, ModelStore(client, bucket), manifest)


def _send(folder: Path, store: ModelStore, manifest: Manifest) -> int:
    with Bar(manifest.folder, manifest.size) as bar:
        outcome = upload(folder, store, manifest, bar.add)
    if outcome.existed and not outcome.sent:
        print(f"{outcome.uri} is published already, with this very digest: nothing to do.")
    else:
        print(f"Published {outcome.uri} ({mebibytes(outcome.sent)} sent).")
    if not manifest.service:
        print("It names no Service, so nothing rolls out; who wants it is told its digest.")
    return 0


def parser() -> argparse.ArgumentParser:
    """Make the reader of the command line."""
    made = argparse.ArgumentParser(
        prog="push_model_to_s3.py", description=(__doc__ or "").split("\n", 1)[0]
    )
    made.add_argument(
        "--model-path", required=True, help="a release folder, or hf://org/name@revision"
    )
    made.add_argument("--bucket", required=True, help="its name, or gs://name at Google")
    made.add_argument(
        "--release-json", type=Path, help="the release.json for a repository that has none"
    )
    made.add_argument("--endpoint-url", help="an S3-compatible endpoint (AWS_ENDPOINT_URL)")
    made.add_argument("--dry-run", action="store_true", help="check and describe, send nothing")
    made.add_argument(
        "--configure-bucket",
        action="store_true",
        help="make the bucket and its queue if missing, versioning and notification",
    )
    made.add_argument("--queue", default=QUEUE, help=f"the queue to notify ({QUEUE})")
    made.add_argument("--allow-pickles", action="store_true", help="weights that can run code")
    made.add_argument("--sign", type=Path, metavar="KEY", help="sign with this private key (PEM)")
    return made
