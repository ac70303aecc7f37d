# SPDX-License-Identifier: MIT
"""The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), and the line of a user file."""
import base64
import hashlib
import hmac
import os

from . import mqtt

METHOD = "SCRAM-SHA-256"
ITERATIONS = 4096


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def user_line(name: str, password: str) -> str:
    """name:SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey"""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    parts = [base64.b64encode(part).decode() for part in (salt, stored, _mac(salted, b"Server Key"))]
    return f"{name}:{METHOD}${ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}\n"


class Client:
    def __init__(self, name: str, password: str):
        self.password = password.encode()
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.first_bare = f"n={name},r={self.nonce}"
        self._server_signature = b""

    def first(self) -> bytes:
        return f"n,,{self.first_bare}".encode()

    def final(self, server_first: bytes) -> bytes:
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) > len(self.nonce)
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(fields["s"]), int(fields["i"]))
        bare = f"c=biws,r={fields['r']}"
        message = f"{self.first_bare},{server_first.decode()},{bare}".encode()
        client_key = _mac(salted, b"Client Key")
        signature = _mac(hashlib.sha256(client_key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self._server_signature = _mac(_mac(salted, b"Server Key"), message)
        return f"{bare},p={base64.b64encode(proof).decode()}".encode()

    def server_is_known(self, server_final: bytes) -> bool:
        return server_final == b"v=" + base64.b64encode(self._server_signature)


def log_in(peer, client_id: str, name: str, password: str) -> None:
    """CONNECT with the exchange, up to a CONNACK that lets it in."""
    client = Client(name, password)

    def props(data):
        return [(mqtt.Prop.AUTH_METHOD, METHOD), (mqtt.Prop.AUTH_DATA, data)]

    peer.send_connect(client_id, props=props(client.first()))
    challenge = peer.expect(mqtt.PacketType.AUTH, reason=0x18)
    peer.send(mqtt.auth(0x18, props(client.final(challenge.props.get(mqtt.Prop.AUTH_DATA)))))
    peer.expect(mqtt.PacketType.CONNACK, reason=0)
