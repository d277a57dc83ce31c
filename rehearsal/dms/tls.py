"""Encrypted connections to a PostgreSQL server that takes none itself, as the embedded one does not."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# https://www.postgresql.org/docs/16/protocol-message-formats.html
SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


class Front:
    """Listens at `host` and a free `port`, and passes on what it is told to the server at `behind`.

    Whoever asks for encryption gets it, under a certificate that nobody has signed; others speak plainly. `encrypted`
    and `plain` count them.
    """

    def __init__(self, host: str, behind: int):
        self.host, self._behind = host, behind
        self.encrypted = self.plain = 0
        self._context = _context(host)
        self._socket = socket.create_server((host, 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, name="tls front", daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(client,), name="tls connection", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            held.callback(client.close)
            server = held.enter_context(socket.create_connection((self.host, self._behind)))
            first = _exactly(client, 8)
            while struct.unpack("!II", first) == (8, GSS_REQUEST):
                client.sendall(b"N")
                first = _exactly(client, 8)
            if struct.unpack("!II", first) == (8, SSL_REQUEST):
                client.sendall(b"S")
                self.encrypted += 1
                client = held.enter_context(self._context.wrap_socket(client, server_side=True))
            else:
                self.plain += 1
                server.sendall(first)
            _pump(client, server)


def _exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = client.recv(count - len(data))
        if not part:
            raise OSError("the client is gone")
        data += part
    return data


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Passes on bytes both ways until one side ends."""
    while True:
        waiting = isinstance(one, ssl.SSLSocket) and one.pending() > 0
        ready = [one] if waiting else select.select([one, other], [], [])[0]
        for source in ready:
            data = source.recv(65536)
            if not data:
                return
            (other if source is one else one).sendall(data)


def _context(host: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder, "pem")
        plain = serialization.NoEncryption()
        pem.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context.load_cert_chain(pem)
    return context
