"""The corpus behind nginx, over http, https and h2; and what nginx says it answered."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.corpus import dynamic
from tests.corpus.gather import PLACES, nginx
from tests.hostile.certificates import make_site

_CONF = """daemon off; {user} worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  types {{ text/html html; text/css css; application/javascript js mjs; image/jpeg jpg jpeg;
    image/png png; image/svg+xml svg; application/json json map; font/woff2 woff2;
    font/woff woff; audio/wav wav; image/x-icon ico; image/gif gif; }}
  default_type application/octet-stream;
  log_format seen '$request_method $scheme://$http_host$request_uri $status $server_protocol';
  access_log {folder}/access.log seen;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  map $http_upgrade $joined {{ default upgrade; '' ''; }}
  gzip on; gzip_types text/css application/javascript image/svg+xml;
  ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem;
  server {{
    listen 127.0.0.1:{http}; listen 127.0.0.1:{https} ssl; listen 127.0.0.1:{h2} ssl http2;
    root {folder}/www; index index.html;
    location /dyn/ {{
      proxy_pass http://127.0.0.1:{dynamic}; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $joined;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Seen:
    """One line of the server's log: what a capture is held against."""

    method: str
    url: str
    status: int
    protocol: str


@dataclass(frozen=True)
class Served:
    """Addresses without a slash at the end; `spki` is SHA-256 of the key, in base64."""

    http: str
    https: str
    h2: str
    spki: str
    log: Path

    def seen(self) -> list[Seen]:
        """Everything so far; whoever wants a part of it forgets the rest first."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        parts = (line.split(" ") for line in lines)  # a URL on the wire has no blank
        return [
            Seen(method, url, int(status), protocol) for method, url, status, protocol in parts
        ]

    def forget(self) -> None:
        with self.log.open("w"):
            pass


@contextlib.contextmanager
def serving(corpus: Path, folder: Path) -> Iterator[Served]:
    """nginx over the corpus, its files in `folder`. Raises NotGathered."""
    program = nginx(corpus)
    (folder / "www").mkdir(parents=True)
    for name, place in PLACES.items():
        (folder / "www" / name).symlink_to((corpus / place).resolve())
    spki = make_site(folder).spki
    with dynamic.serving() as behind:
        http, https, h2 = _free_ports(3)
        conf = folder / "nginx.conf"
        conf.write_text(
            _CONF.format(
                user="user root; " if os.getuid() == 0 else "",  # who may read the corpus
                folder=folder,
                http=http,
                https=https,
                h2=h2,
                dynamic=behind,
            )
        )
        running = subprocess.Popen(
            [program, "-e", folder / "error.log", "-p", folder, "-c", conf]
        )
        try:
            _wait(running, http)
            yield Served(
                f"http://localhost:{http}",
                f"https://localhost:{https}",
                f"https://localhost:{h2}",
                spki,
                folder / "access.log",
            )
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(30)


def _wait(running: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert running.poll() is None, "nginx ended"
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=1),
        ):
            return
        time.sleep(0.05)
    raise AssertionError("nginx never answered")


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports
