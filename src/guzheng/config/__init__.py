"""Every setting, in one frozen value; the only reader of the environment and of guzheng.toml.

    settings   the table: name, type, default, what each says; docs/settings.md is made of it
    reading    where values come from, and which source goes before which
    sense      what no installation can be run with

A setting nobody knows is refused: a typing error must not silently leave a default in force.
"""

from guzheng.config.reading import FILE, PREFIX, environment_data, load
from guzheng.config.settings import INSTALLED, Config

__all__ = ["FILE", "INSTALLED", "PREFIX", "Config", "environment_data", "load"]
