"""
Which keys exist: relative, one spelling each, and never a way out of the store.

In: a key. Out: the same key, or an error that shows it.

A segment starts with a letter, a digit or `_`, so `..`, hidden names and empty segments cannot be written; hidden
names inside a folder store are the store's own.
"""

from __future__ import annotations

import re

from platform_cli.errors import UsageError

_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+@-]*(?:/[A-Za-z0-9_][A-Za-z0-9._=+@-]*)*")

# S3 allows 1,024 bytes of key; file systems 255 per segment.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
_LONGEST_KEY = 900
_LONGEST_SEGMENT = 200


def check_key(key: str) -> str:
    """Return the key, where it is one; UsageError otherwise."""
    if not _KEY.fullmatch(key):
        raise UsageError(f'"{key}" is not a key', wanted="letters, digits, . _ = + @ - between single slashes")
    if len(key) > _LONGEST_KEY or max(map(len, key.split("/"))) > _LONGEST_SEGMENT:
        raise UsageError(
            f'the key "{key[:60]}..." has {len(key)} characters',
            wanted=f"at most {_LONGEST_KEY}, and {_LONGEST_SEGMENT} between two slashes",
        )
    return key


def check_prefix(prefix: str) -> str:
    """Return the folder of keys without a slash at its end; the empty one is the whole store."""
    stripped = prefix.removesuffix("/")
    return check_key(stripped) if stripped else ""
