"""nginx as the fastest small upstream, and as the proxy that others are compared with.

`python -m scripts.benchmarks.nginx [UPSTREAM_PORT [KEPT]]` serves on $PORT: 200 with a few bytes, or
what the upstream answers. One worker, no access log. A plain proxy is `proxy_pass` and nothing else, so
every request has a connection of its own; KEPT is how many idle ones are kept instead.
"""

import os
import sys
import tempfile
from pathlib import Path

ANSWER = 'default_type text/plain; return 200 "ok $server_port\\n";'
KEEP_ALIVE = 'proxy_http_version 1.1; proxy_set_header Connection "";'


def configuration(folder: Path, port: int, upstream: int = 0, kept: int = 0) -> str:
    """Write nginx's configuration; everything it writes goes into `folder`."""
    answer = "proxy_pass http://upstream;" if upstream else ANSWER
    answer += KEEP_ALIVE if kept else ""
    keep = f"keepalive {kept};" if kept else ""
    upstreams = f"upstream upstream {{ server 127.0.0.1:{upstream}; {keep} }}"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    return f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; server_tokens off; keepalive_requests 1000000000; {temporary}
  {upstreams if upstream else ""}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ {answer} }}
  }}
}}
"""


def main(arguments: list[str]) -> None:
    """Become nginx."""
    folder = Path(tempfile.mkdtemp(prefix="nginx-"))
    file = folder / "nginx.conf"
    numbers = [int(argument) for argument in arguments]
    file.write_text(configuration(folder, int(os.environ["PORT"]), *numbers))
    os.execvp("nginx", ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)])  # noqa: S606 - no shell


if __name__ == "__main__":
    main(sys.argv[1:])
