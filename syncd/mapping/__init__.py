"""From raw records to opportunities, driven by mapping data alone.

`spec` reads and checks a mapping file, `values` reads single cells, `columns` whole columns of them, `evidence` and
`marks` those that show evidence; `mapper` puts them all to work on the pages of a pull.

Not for: talking to systems (adapters) or deciding what a value means for the process (`syncd.rules`).
"""

from __future__ import annotations

from syncd.mapping.mapper import Mapper, RowMapper
from syncd.mapping.spec import Mapping, check_mapping, load_mapping

__all__ = ["Mapper", "Mapping", "RowMapper", "check_mapping", "load_mapping"]
