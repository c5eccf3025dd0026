"""Rules a company writes itself, as conditions in CEL, the Common Expression Language (https://cel.dev).

Not for: reading them from a configuration (`syncd.config`), or selecting and grading them (`syncd.policy`).
"""

from __future__ import annotations

from syncd.rules.custom.rule import CustomRule, CustomRuleSpec, compile_custom

__all__ = ["CustomRule", "CustomRuleSpec", "compile_custom"]
