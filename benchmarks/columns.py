"""The columns of a canonical CSV export, and the chart's stages and evidence, as the benchmarks know them.

Written out here a second time on purpose: the generator and the truth must not lean on the code they check.

Not for: rules (`truth.py`) or rows (`generate.py`).
"""

from __future__ import annotations

from typing import Final

BASE: Final = (
    "id", "name", "account", "owner", "territory", "stage", "probability", "amount", "currency", "close_date", "status",
    "closed", "decision_due", "created_at", "updated_at", "stage_entered_at", "source_type",
)  # fmt: skip
"""The base columns, in the order they are written."""

STAGES: Final = (
    ("demand_generation", "Demand Generation", ""),
    ("prospect", "Prospect", "0"),
    ("qualify", "Qualify", "10"),
    ("develop", "Develop", "20"),
    ("solution", "Solution", "40"),
    ("proof", "Proof", "60"),
    ("close", "Close", "80"),
    ("deploy", "Deploy", "100"),
    ("support", "Support", ""),
)
"""Each column of the chart: its id, its name, and its probability in percent; empty where the chart says NA."""

STAGE_INDEX: Final = {
    **{name: index for index, (name, _, _) in enumerate(STAGES)},
    **{name.lower(): index for index, (_, name, _) in enumerate(STAGES)},
}
"""The column of a stage by its id or its lower-case name."""

OUTCOMES: Final = (
    ("demand_generation.qualified_prospect",),
    ("prospect.sponsor_identified",),
    ("qualify.sponsor_letter_agreed", "qualify.assessment_completed"),
    ("develop.eval_plan_agreed",),
    ("solution.preliminary_solution_agreed",),
    ("proof.verbal_approval",),
    ("close.documents_signed",),
    ("deploy.deployed",),
    ("support.supportability_review",),
)
"""The facts that make each column's outcome; any one suffices."""

CHECKPOINTS: Final = (
    ("demand_generation.campaigns_executed",),
    ("prospect.in_territory_or_account", "prospect.meets_criteria"),
    (
        "qualify.sponsor_pain",
        "qualify.compelling_event",
        "qualify.sponsor_vision",
        "qualify.sponsor_explores",
        "qualify.power_access_negotiated",
    ),
    (
        "develop.power_access",
        "develop.power_pain",
        "develop.power_vision",
        "develop.partner_selected",
        "develop.services_selected",
        "develop.expectations_agreed",
        "develop.eval_plan_proposed",
    ),
    ("solution.eval_plan_underway",),
    ("proof.eval_plan_completed", "proof.proposal_reviewed", "proof.business_asked", "proof.proposal_issued"),
    ("close.contract_final", "close.deployment_sow_final", "close.support_plan_final"),
    ("deploy.new_prospects_captured", "deploy.conditions_determined", "deploy.readiness_reassessed"),
    ("support.plan_reviewed", "support.feedback_loop", "support.conditions_reviewed"),
)
"""The facts of each column's checkpoints."""

EVIDENCE: Final = tuple(
    name
    for outcomes, checkpoints in zip(OUTCOMES, CHECKPOINTS, strict=True)
    for name in (*outcomes, *checkpoints)
)  # fmt: skip

COLUMNS: Final = (*BASE, *EVIDENCE)

AT: Final = {name: place for place, name in enumerate(COLUMNS)}
"""The place of each column in a row."""
