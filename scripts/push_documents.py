#!/usr/bin/env python3
"""Put documents where the index looks: ./scripts/push_documents.py --bucket B --path DIR.

Each file goes to `documents/<its path under DIR>`; a README is for people and stays here. Which S3
this is, the environment says (`AWS_*`), else the platform of the data folder. Any Python may start
this: it goes on in the project's own.
"""

import argparse
import mimetypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ENDINGS = (".jsonl", ".md", ".txt", ".html", ".pdf")
mimetypes.add_type("text/markdown", ".md")
mimetypes.add_type("application/jsonl", ".jsonl")


def main(arguments: Sequence[str] | None = None) -> int:
    """Upload; exit code 1 when there is nothing to upload, or it failed."""
    # Here, because a plain Python gets as far as looking for the project's own without them.
    from functions.registry.errors import RegistryError  # noqa: PLC0415 - as said
    from functions.registry.faults import told  # noqa: PLC0415 - as said
    from functions.registry.store import connect  # noqa: PLC0415 - as said
    from scripts.environment import load_platform_env  # noqa: PLC0415 - as said

    parser = argparse.ArgumentParser(
        prog="push_documents.py", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--path", type=Path, required=True, help="a folder, or one file")
    parser.add_argument("--prefix", default="documents/")
    given = parser.parse_args(arguments)
    print(load_platform_env())
    client = connect("s3", os.environ)
    try:
        with told(given.bucket):
            keys = push_documents(client, given.bucket, given.path, given.prefix)
    except RegistryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{len(keys)} documents in s3://{given.bucket}/{given.prefix}")
    return 0 if keys else 1


def push_documents(s3: Any, bucket: str, path: Path, prefix: str = "documents/") -> list[str]:
    """Upload what `path` holds through a boto3 S3 client, and return the keys."""
    root = path if path.is_dir() else path.parent
    keys = {file: prefix + file.relative_to(root).as_posix() for file in documents(path)}
    for file, key in keys.items():
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        s3.put_object(Bucket=bucket, Key=key, Body=file.read_bytes(), ContentType=kind)
    return list(keys.values())


def documents(path: Path) -> list[Path]:
    """Return the files under `path` that are documents, in order."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [
        file
        for file in files
        if file.is_file() and file.suffix in ENDINGS and not file.name.startswith("README")
    ]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from scripts.project_python import use_project_python

    use_project_python("boto3")
    sys.exit(main())
