"""A function that speaks HTTP/2 without TLS and nothing else: gRPC, one method that echoes a stream."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

METHOD = "/echo.Echo/Stream"


def echo(words: Iterator[bytes], _context: object) -> Iterator[bytes]:
    for word in words:
        yield word.upper()


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(4))
    handler = grpc.stream_stream_rpc_method_handler(echo)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("echo.Echo", {"Stream": handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    sys.exit(main())
