"""An https server in a network of its own, and commands that are run beside it.

In a namespace with nothing but a loopback interface, which works where there is none up: as root, or as anybody where
the system lets users have namespaces. Standard input is a JSON object: `files` is the folder to serve, `certificate` and
`key` are the server's, `commands` are command lines with `{port}` in them, each with the environment variables it has in
addition. Standard output is a JSON object: what became of each, and how often the port without TLS was called.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
PATIENCE = 60


def own_network() -> None:
    """Enters a new namespace and brings its loopback interface up; where there may be none, one that is up will do."""
    libc = ctypes.CDLL(None, use_errno=True)
    own = libc.unshare(CLONE_NEWNET) == 0 or libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0
    reason = os.strerror(ctypes.get_errno())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        if flags & IFF_UP:
            return
        if not own:
            sys.exit(f"no network of its own ({reason}), and no loopback interface that is up")
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))


class Handler(BaseHTTPRequestHandler):
    """Files, and answers that lead astray."""

    files: Path
    plain_port: int

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        leads = {
            "/moved.tar.gz": "/users.tar.gz",
            "/moved.tar.gz.minisig": "/users.tar.gz.minisig",
            "/loop.tar.gz": "/loop.tar.gz",
            "/down.tar.gz": f"http://localhost:{self.plain_port}/users.tar.gz",
        }
        file = self.files / path.lstrip("/")
        if path in leads:
            self.send_response(302)
            self.send_header("Location", leads[path])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path == "/huge.tar.gz":
            self.send_response(200)
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
        elif path == "/short.tar.gz":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"too short")
            self.close_connection = True
        elif file.is_file():
            body = file.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """One that does not mind who hangs up."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that trusts nobody hangs up in the handshake."""


def main() -> None:
    """Serves until all commands have ended."""
    order: dict[str, Any] = json.load(sys.stdin)
    own_network()
    plain = socket.create_server(("127.0.0.1", 0))
    calls: list[object] = []

    def count() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = plain.accept()
                calls.append(connection)
                connection.close()

    threading.Thread(target=count, daemon=True).start()
    Handler.files = Path(order["files"])
    Handler.plain_port = plain.getsockname()[1]
    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(order["certificate"], order["key"])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = str(server.server_address[1])
    done = []
    for command in order["commands"]:
        words = [word.replace("{port}", port) for word in command["words"]]
        environment = os.environ | command["environment"]
        ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        done.append({"code": ran.returncode, "stdout": ran.stdout, "stderr": ran.stderr})
    json.dump({"commands": done, "plain": len(calls)}, sys.stdout)


if __name__ == "__main__":
    main()
