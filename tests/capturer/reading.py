"""Reads a capture record into the types that the capturer wrote it from."""

import types
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from guzheng.capturer.record import CaptureRecord
from guzheng.proof import capture, instant
from guzheng.proof.digest import Digest
from guzheng.proof.manifest import Item


def read(octets: bytes) -> CaptureRecord:
    """Only after the kernel's reader has found it in its form."""
    fields = capture.CaptureRecord.parse(octets).fields
    record = _typed(CaptureRecord, fields)
    assert isinstance(record, CaptureRecord)
    return record


def _typed(kind: Any, value: Any) -> object:
    if kind is Item:
        return Item.read(value)
    if kind is Digest:
        return Digest.parse(value)
    if kind is datetime:
        return instant.parse(value)
    if get_origin(kind) is tuple:
        return tuple(_typed(get_args(kind)[0], one) for one in value)
    if get_origin(kind) in {types.UnionType, Union}:
        return _typed(get_args(kind)[0], value)
    if get_origin(kind) is Literal or kind in {str, int}:
        return value
    hints = get_type_hints(kind)
    return kind(**{name: _typed(hints[name], one) for name, one in value.items()})
