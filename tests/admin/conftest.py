# SPDX-License-Identifier: MIT
"""A broker with its admin listener on a free port."""
import pytest

from lib.admin import Admin


@pytest.fixture
def start(start_broker):
    """start({"node.shards": 1}): a broker, and who asks its API."""

    def run(settings: dict[str, object] | None = None, token: str | None = None):
        broker = start_broker(Admin.SETTINGS | (settings or {}))
        return broker, Admin(broker, token)

    return run


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("s3cret-token\n")
    file.chmod(0o600)
    return file
