"""Where the value of a setting comes from, and which source goes before which.

What the command line gives, then `GUZHENG_<NAME>` in the environment, then `DATA/guzheng.toml`,
then the default in the table. A name that is not in the table is refused, and so is a value of
another type; what is secret is never shown, not even then.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from guzheng.config.sense import require_sensible
from guzheng.config.settings import INSTALLED, Config
from guzheng.refusals import Refused

PREFIX = "GUZHENG_"
FILE = "guzheng.toml"
_SECRET = {"pkcs11_pin", "smtp_url", "sms_url"}  # never shown, not even when it is refused


def load(
    data: Path,
    overrides: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """The settings in force for this data directory. Raises Refused for what cannot be."""
    values: dict[str, Any] = dict(INSTALLED)  # the types are checked against the defaults below
    known = {one.name: one.default for one in fields(Config) if one.name != "data"}
    file = data / FILE
    if os.path.lexists(file):
        values.update(_from_file(file, known))
    for name, text in (os.environ if environment is None else environment).items():
        setting = name.removeprefix(PREFIX).lower()
        if name.startswith(PREFIX) and setting in known:
            values[setting] = _from_text(name, text, known[setting])
    values.update(overrides or {})
    config = Config(data=data, **values)
    require_sensible(config)
    return config


def environment_data() -> Path:
    """Where the data lives when the command line does not say."""
    return Path(os.environ.get(PREFIX + "DATA", "data"))


def _from_file(file: Path, known: Mapping[str, object]) -> dict[str, object]:
    try:
        values = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Refused(
            "config.file-refused",
            expected="TOML",
            found=f"{file}: {error}",
            act="mend the file",
        ) from error
    for name, value in values.items():
        if name not in known:
            raise Refused(
                "config.unknown-setting",
                expected=", ".join(sorted(known)),
                found=f"{name} in {file}",
                act="mend the file",
            )
        values[name] = tuple(value) if isinstance(value, list) else value
        whole = type(values[name]) is type(known[name])
        if not whole or (
            isinstance(value, list) and not all(type(one) is str for one in value)
        ):
            raise Refused(
                "config.value-refused",
                expected=f"{name}: {type(known[name]).__name__}",
                found="a value of another type" if name in _SECRET else repr(value),
                act="mend the file",
            )
    return values


def _from_text(name: str, text: str, default: object) -> object:
    match default:
        case int():
            try:
                return int(text)
            except ValueError as error:
                raise Refused(
                    "config.value-refused",
                    expected=f"{name}: a whole number",
                    found=repr(text),
                    act="mend the setting",
                ) from error
        case tuple():
            return tuple(one.strip() for one in text.split(",") if one.strip())
        case _:
            return text
