"""Sizes as people write them."""

from __future__ import annotations

import pytest

from storage.errors import UsageError
from storage.sizes import parsed_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GB", 10 * 1000**3),
        ("10 gb", 10 * 1000**3),
        ("1.5G", 1_500_000_000),
        ("512MiB", 512 * 1024**2),
        ("2GiB", 2 * 1024**3),
        ("4096", 4096),
        ("1TB", 1000**4),
    ],
)
def test_a_size_is_read_as_it_is_meant(text: str, size: int) -> None:
    assert parsed_size(text, "--gpu-memory") == size


@pytest.mark.parametrize("text", ["", "GB", "ten", "10XB", "-1GB", "0", "0GB", "1e9"])
def test_what_is_no_size_is_told_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="--gpu-memory") as told:
        parsed_size(text, "--gpu-memory")
    assert told.value.expected
