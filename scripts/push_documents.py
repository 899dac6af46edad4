"""`python scripts/push_documents.py --bucket B --path DIR`: put documents where the index looks.

Each file goes to `documents/<its path under DIR>`; a README is for people and stays here. Which S3
this is, boto3 reads from its usual environment (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, …).
"""

import argparse
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3

ENDINGS = (".jsonl", ".md", ".txt", ".html", ".pdf")
mimetypes.add_type("text/markdown", ".md")
mimetypes.add_type("application/jsonl", ".jsonl")


def main(arguments: Sequence[str] | None = None) -> int:
    """Upload; exit code 1 when there is nothing to upload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--path", type=Path, required=True, help="a folder, or one file")
    parser.add_argument("--prefix", default="documents/")
    given = parser.parse_args(arguments)
    keys = push_documents(boto3.client("s3"), given.bucket, given.path, given.prefix)
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
    raise SystemExit(main())
