"""The TLS side of the streaming server: the configured key pair, or one that the openssl program makes at each start.

The standard library makes no certificates, and a package for it would be the largest dependency of all. The kubelet
does not check the certificate of a runtime's streaming server, so a self-signed one serves as well as containerd's.
"""

from __future__ import annotations

import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_DAYS = "365"


def server_context(cert_file: str, key_file: str, address: str) -> Callable[[], ssl.SSLContext]:
    """Return a function that makes the TLS context and blocks; without files it makes a certificate for ``address``.

    The function raises ``OSError`` if the pair cannot be used or made.
    """

    def make() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert_file:
            context.load_cert_chain(cert_file, key_file)
            return context
        with tempfile.TemporaryDirectory(prefix="cri-shim-tls-") as directory:
            pair = _self_signed(Path(directory), address)
            context.load_cert_chain(*pair)
        return context

    return make


def _self_signed(directory: Path, address: str) -> tuple[Path, Path]:
    certificate, key = directory / "cert.pem", directory / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=cri-shim", "-addext", f"subjectAltName=IP:{address}", "-days", _DAYS]
    command += ["-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        raise OSError(
            "cannot make a certificate without the openssl program; install it, or set "
            "stream.x509_key_pair_streaming.tls_cert_file and tls_key_file"
        ) from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise OSError(f"openssl did not make a certificate: {getattr(error, 'stderr', '') or error}") from error
    return certificate, key
