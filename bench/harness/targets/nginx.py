"""nginx from Debian as a plain reverse proxy: what a proxy costs that looks at nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.harness.processes import running, wait_for_port
from bench.harness.settings import CACHE
from bench.harness.targets.base import HTTP_TO_HTTP, HTTP_TO_SSE, NotHereError, Stage, Target

__all__ = ["http", "http_all_cores", "sse"]

# No message of the benchmark goes to a disk, and no connection is closed for its age: nginx at its best.
_CONFIG = """
daemon off;
{user}
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log warn;
events {{ worker_connections 8000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 8m;
  client_body_buffer_size 2m;
  proxy_max_temp_file_size 0;
  keepalive_requests 100000000;
  upstream backend {{ server {backend}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_buffering {buffering};
      proxy_read_timeout 1h;
    }}
  }}
}}
"""


@contextmanager
def _serving(
    stage: Stage, name: str, backend: str, *, workers: str, buffering: str = "on"
) -> Iterator[tuple[str, int]]:
    """Run one with a configuration and files of its own; gives its ``host:port`` and process id."""
    program = CACHE / "nginx/usr/sbin/nginx"
    if not program.exists():
        raise NotHereError("Debian's nginx is not there; bench/prepare unpacks it")
    folder, port, log = stage.folder / name, stage.port(), stage.log(name)
    folder.mkdir()
    config = folder / "nginx.conf"
    # Started by root its workers would become nobody, who may not use the folder.
    user = "user root;" if os.getuid() == 0 else ""
    text = _CONFIG.format(user=user, folder=folder, port=port, backend=backend, workers=workers, buffering=buffering)
    config.write_text(text)
    with running([str(program), "-c", str(config), "-p", str(folder), "-e", str(folder / "start.log")], log) as pid:
        wait_for_port(port, log)
        yield f"127.0.0.1:{port}", pid


@contextmanager
def http(stage: Stage) -> Iterator[Target]:
    """One worker, as one proxy process is one."""
    with _serving(stage, "nginx-one", stage.http, workers="1") as (address, pid):
        yield Target("nginx", HTTP_TO_HTTP, "streamable-http", url=f"http://{address}/mcp", pids=lambda: [pid])


@contextmanager
def http_all_cores(stage: Stage) -> Iterator[Target]:
    """A worker for each core."""
    with _serving(stage, "nginx-auto", stage.http, workers="auto") as (address, pid):
        url = f"http://{address}/mcp"
        yield Target("nginx, all cores", HTTP_TO_HTTP, "streamable-http", url=url, pids=lambda: [pid])


@contextmanager
def sse(stage: Stage) -> Iterator[Target]:
    """Clients speak SSE to the server through it: it translates nothing."""
    with _serving(stage, "nginx-sse", stage.sse, workers="1", buffering="off") as (address, pid):
        yield Target("nginx (SSE client)", HTTP_TO_SSE, "sse", url=f"http://{address}/sse", pids=lambda: [pid])
