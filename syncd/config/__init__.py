"""The configuration: one TOML file as frozen settings, every problem at once, each with its line.

Not for: the values of secrets (`syncd.secrets`) and what the rules make of a policy (`syncd.policy`).
"""

from syncd.config.load import load_config, read_config
from syncd.config.options import validate_options
from syncd.config.settings import KEYS, CustomFix, CustomRuleSettings, Settings, SourceSettings, WriteMode
from syncd.places import Places, find_places

__all__ = [
    "KEYS",
    "CustomFix",
    "CustomRuleSettings",
    "Places",
    "Settings",
    "SourceSettings",
    "WriteMode",
    "find_places",
    "load_config",
    "read_config",
    "validate_options",
]
