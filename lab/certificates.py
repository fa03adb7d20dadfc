"""Make a certificate authority for tests, with the openssl program."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
"""A new key, of the kind that is made in no time."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority; its certificate is ``directory/ca.crt``."""

    directory: Path

    @classmethod
    def make(cls, directory: Path) -> Authority:
        """Make an authority in an existing directory."""
        authority = cls(directory)
        authority._openssl(
            *("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=test authority"),
            *("-keyout", str(directory / "ca.key"), "-out", str(authority.certificate)),
        )
        return authority

    @property
    def certificate(self) -> Path:
        """The certificate to trust."""
        return self.directory / "ca.crt"

    def issue(self, name: str, alternative: str = "IP:127.0.0.1") -> tuple[Path, Path]:
        """Issue a certificate and key for 127.0.0.1, for servers and clients: ``NAME.cert``, ``NAME.key``.

        ``alternative`` is a further subject alternative name; empty means none.
        """
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        certificate, key = self.directory / f"{name}.cert", self.directory / f"{name}.key"
        names = f"subjectAltName={alternative}\n" if alternative else ""
        extensions.write_text(f"{names}extendedKeyUsage=serverAuth,clientAuth\n")
        self._openssl(
            *("req", *_KEY, "-subj", f"/CN={name}"),
            *("-keyout", str(key), "-out", str(request)),
        )
        self._openssl(
            *("x509", "-req", "-in", str(request), "-days", "2", "-extfile", str(extensions), "-out", str(certificate)),
            *("-CA", str(self.certificate), "-CAkey", str(self.directory / "ca.key"), "-CAcreateserial"),
        )
        return certificate, key

    def subordinate(self, directory: Path) -> Authority:
        """Make another authority, certified by this one, in an existing directory."""
        other = Authority(directory)
        request, extensions = directory / "ca.csr", directory / "ca.ext"
        extensions.write_text("basicConstraints=critical,CA:TRUE\n")
        self._openssl(
            *("req", *_KEY, "-subj", "/CN=subordinate authority"),
            *("-keyout", str(directory / "ca.key"), "-out", str(request)),
        )
        self._openssl(
            *("x509", "-req", "-in", str(request), "-days", "2", "-extfile", str(extensions)),
            *("-out", str(other.certificate), "-CA", str(self.certificate)),
            *("-CAkey", str(self.directory / "ca.key"), "-CAcreateserial"),
        )
        return other

    @staticmethod
    def _openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
