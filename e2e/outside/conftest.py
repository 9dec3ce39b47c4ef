"""What the tests of Python clients share: where the edge is, and how to have the model play a role."""

import os
import uuid

import pytest

URL = os.environ["SLUICE_URL"] + "/v1"
TOKEN = os.environ["SLUICE_TOKEN"]
MODEL = "simulated"


def play(name: str) -> str:
    """What a person says to have a role played; each is another conversation."""
    return f"play {name} #{uuid.uuid4()}"


@pytest.fixture
def say():
    return lambda name: [{"role": "user", "content": play(name)}]
