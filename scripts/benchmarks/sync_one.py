"""One download by one tool, in a process of its own: seconds, seconds with the hash, memory.

Any Python that has the tool may run it: `python -m … TOOL ENDPOINT BUCKET KEY TARGET`.
Importing and connecting are not counted; ours hashes while it fetches, the others after it.
The same download comes first, unmeasured, and what it made is dropped at once before the measured one:
from a virtual machine free memory is taken within seconds, and to ask for it again takes longer than
to fetch. Whom that hits would be chance.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module as module
from pathlib import Path
from urllib.parse import urlsplit

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
REGION = "us-east-1"
PACKAGES = ("awscrt", "obstore", "runai-model-streamer[s3]", "s3fs")
UNAVAILABLE = 3
PIECE = 8 << 20

Download = Callable[[str, str, Path], None]


def ours(endpoint: str) -> Download:
    """Fetch as the registry does, its sha256 included."""
    manifest, store = module("functions.registry.manifest"), module("functions.registry.store")
    client = store.connect("s3", {**KEYS, "AWS_ENDPOINT_URL": endpoint})

    def download(bucket: str, key: str, target: Path) -> None:
        _, folder, path = key.split("/", 2)
        size = client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        notes = target.with_suffix(".notes")
        entry = manifest.FileEntry(path, size, "0" * 64)
        store.ModelStore(client, bucket).fetch(folder, entry, target, notes)
        notes.unlink()

    return download


def boto3(endpoint: str) -> Download:
    """Use `download_file` with its defaults."""
    plain = module("botocore.config").Config(s3={"addressing_style": "path"})
    session = module("boto3.session").Session("test", "test", region_name=REGION)
    client = session.client("s3", endpoint_url=endpoint, config=plain)
    return lambda bucket, key, target: client.download_file(bucket, key, str(target))


def awscrt(endpoint: str) -> Download:
    """Use AWS's own native client: parts at once, straight into the file."""
    io, s3, http = module("awscrt.io"), module("awscrt.s3"), module("awscrt.http")
    group = io.EventLoopGroup()
    client = s3.S3Client(
        bootstrap=io.ClientBootstrap(group, io.DefaultHostResolver(group)),
        region=REGION,
        credential_provider=module("awscrt.auth").AwsCredentialsProvider.new_static("test", "test"),
        tls_mode=s3.S3RequestTlsMode.DISABLED,
    )

    def download(bucket: str, key: str, target: Path) -> None:
        host = http.HttpHeaders([("host", urlsplit(endpoint).netloc)])
        request = http.HttpRequest("GET", f"/{bucket}/{key}", host)
        kind, file = s3.S3RequestType.GET_OBJECT, str(target)
        made = client.make_request(type=kind, request=request, recv_filepath=file)
        made.finished_future.result(300)

    return download


def s3fs(endpoint: str) -> Download:
    """Use `get_file` with its defaults."""
    files = module("s3fs").S3FileSystem(anon=True, endpoint_url=endpoint)
    return lambda bucket, key, target: files.get_file(f"{bucket}/{key}", str(target))


def obstore(endpoint: str) -> Download:
    """Use Rust's object_store: one stream, written as it comes."""
    tool, stores = module("obstore"), module("obstore.store")

    def download(bucket: str, key: str, target: Path) -> None:
        store = stores.S3Store(
            bucket, endpoint=endpoint, region=REGION, virtual_hosted_style_request=False,
            access_key_id="test", secret_access_key="test", client_options={"allow_http": True},  # noqa: S106 - no secret
        )  # fmt: skip
        with target.open("wb") as file:
            for piece in tool.get(store, key).stream(min_chunk_size=PIECE):
                file.write(piece)

    return download


def runai(endpoint: str) -> Download:
    """Use NVIDIA's streamer: pieces at once into memory, written to where they belong."""
    own = {"AWS_ENDPOINT_URL": endpoint, "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
    os.environ.update(own | {"RUNAI_STREAMER_S3_USE_VIRTUAL_ADDRESSING": "0"})
    package, client = module("runai_model_streamer"), module("boto3").client("s3")

    def download(bucket: str, key: str, target: Path) -> None:
        size = client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        sizes = [min(PIECE, size - start) for start in range(0, size, PIECE)]
        chunks = package.FileChunks.contiguous(0, f"s3://{bucket}/{key}", 0, sizes)
        with package.FileStreamer() as streamer, target.open("wb") as file:
            streamer.stream_files([chunks])
            for _, number, tensor in streamer.get_chunks():
                os.pwrite(file.fileno(), tensor.numpy().data, number * PIECE)

    return download


TOOLS = {tool.__name__: tool for tool in (ours, boto3, awscrt, s3fs, obstore, runai)}


def main(name: str, endpoint: str, bucket: str, key: str, target: str) -> int:
    """Measure one tool; print what was found as JSON."""
    try:
        download = TOOLS[name](endpoint)
    except ImportError as missing:
        print(missing, file=sys.stderr)
        return UNAVAILABLE
    file, base = Path(target), _memory("VmRSS")
    download(bucket, key, file)
    file.unlink()
    started = time.monotonic()
    download(bucket, key, file)
    fetched = time.monotonic() - started
    hashed = fetched + (0 if name == "ours" else hashing(file))
    file.unlink()
    memory = _memory("VmHWM") - base
    print(json.dumps({"fetched": fetched, "hashed": hashed, "memory": memory}))
    return 0


def hashing(file: Path) -> float:
    """Return the seconds that a file's sha256 takes one core: no verified fetch does without."""
    started = time.monotonic()
    with file.open("rb") as content:
        hashlib.file_digest(content, "sha256")
    return time.monotonic() - started


def _memory(name: str) -> int:
    """Return bytes of this process now or at most, VmRSS or VmHWM; getrusage has its parent's, too."""
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index(f"{name}:") + 1]) << 10


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
