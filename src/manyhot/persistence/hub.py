"""Saved files on a model hub: `hf://owner/name/file.manyhot`."""

from __future__ import annotations

import re
from pathlib import Path

from manyhot.errors import BundleError, InputError, how_to_install

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)/([^@?#\\]+)")


def is_hub_address(path: object) -> bool:
    """Whether a path is an address on a hub."""
    return isinstance(path, str) and path.startswith(SCHEME)


def download(address: str, revision: str | None = None) -> Path:
    """Fetch a file, or find it where it was fetched before.

    Args:
        address: `hf://owner/name/file`.
        revision: Branch, tag or commit; None for the newest version.

    Raises:
        InputError: Another form of address, or huggingface-hub is not installed.
        BundleError: There is no such file, or the hub cannot be reached.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or ".." in found[2].split("/"):
        raise InputError(f"got {address!r}, expected hf://OWNER/NAME/FILE", argument="path")
    try:
        from huggingface_hub import hf_hub_download  # an extra
    except ImportError:
        raise InputError(
            f"{address} is on a hub, and huggingface-hub is not installed: {how_to_install('hub')}; or "
            "download the file yourself and load it from there",
            argument="path",
        ) from None
    try:
        return Path(hf_hub_download(found[1], found[2], revision=revision))
    except (OSError, ValueError) as error:  # those of the library derive from them
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise BundleError(f"could not be fetched: {lines[0]}", file=address) from None
