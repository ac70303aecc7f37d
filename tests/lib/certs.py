# SPDX-License-Identifier: MIT
"""A certificate authority for one test run, and what it signs."""
import subprocess
from pathlib import Path


class Authority:
    def __init__(self, folder: Path, name: str = "signalbox test authority"):
        self.folder = folder
        self.cert, self.key = str(folder / "ca.pem"), str(folder / "ca.key")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    def issue(self, name: str) -> tuple[str, str]:
        """Certificate and key files for a common name; good for localhost and 127.0.0.1 as well."""
        base = self.folder / name
        key, request, cert, extensions = f"{base}.key", f"{base}.csr", f"{base}.pem", Path(f"{base}.ext")
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                      "-days", "2", "-extfile", str(extensions), "-out", cert)
        return cert, key

    @staticmethod
    def _openssl(*arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
