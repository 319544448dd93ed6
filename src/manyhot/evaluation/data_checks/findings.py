"""What the checks return, and what each kind of finding asks a person to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from manyhot.display import ROWS_SHOWN, paragraph, section, short_repr, table
from manyhot.evaluation.report.measure import to_json_value
from manyhot.evaluation.report.text import bullets, pluralize, printable, wrap
from manyhot.validation import one_of

Severity = Literal["error", "warning", "note"]
NAME_WIDTH = 40
BRIEFS_SHOWN = 6
SIZES_SHOWN = 10
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


class Kind(NamedTuple):
    """What all findings of one kind have in common."""

    heading: str  # what several are called, after their number
    advice: str
    advice_plural: str


# Kind of finding -> its words, in the order in which findings are told
KINDS: dict[str, Kind] = {
    "one_label_per_row": Kind(
        "statements about all labels",
        "Sigmoids would let several apply at once; use them only if later rows may have several labels.",
        "Use sigmoids only if later rows may have several labels.",
    ),
    "constant": Kind(
        "labels do not vary",
        "Nothing can be learned about when it applies: leave it out, or add rows where it is otherwise.",
        "Nothing can be learned about when they apply: leave them out, or add rows where they are otherwise.",
    ),
    "duplicate": Kind(
        "pairs of labels say the same",
        "Keep one of them, or check how the second came about.",
        "Keep one of each pair, or check how the second came about.",
    ),
    "leak": Kind(
        "columns give a label away",
        "If it is only filled in once the label is known, leave it out: it will be missing or wrong for new rows.",
        "Leave out those that are only filled in once the label is known: for new rows they will be missing or wrong.",
    ),
    "same_name": Kind(
        "columns are named like a label",
        "If it is that label under another guise, leave it out of the features.",
        "Leave out those that are the label under another guise.",
    ),
    "possible_label": Kind(
        "columns of 0 and 1 look like further labels and are used as features",
        "If it is not known when predicting, name it among the labels, or leave it out with `drop` (--drop).",
        "Name those that are not known when predicting among the labels, or leave them out with `drop` (--drop).",
    ),
    "conflicting_rows": Kind(
        "groups of conflicting rows",
        "Check which labels are right, or add a column that tells such rows apart.",
        "Check which labels are right, or add a column that tells such rows apart.",
    ),
    "notation": Kind(
        "label names have brackets or quotes of a list in them",
        "If these are not part of the name, check how the cells are written and what separates them (--sep).",
        "Where these are not part of the name, check how the cells are written and what separates them (--sep).",
    ),
    "spelling": Kind(
        "pairs of label names are nearly the same",
        "If they mean the same, make them one label.",
        "Make one label of those that mean the same.",
    ),
    "rare": Kind(
        "labels are too rare for every fold to hold one of their rows",
        "Its scores and threshold will be guesses: collect more such rows, merge it into another label, or leave it "
        "out.",
        "Their scores and thresholds will be guesses: collect more such rows, merge them into other labels, or leave "
        "them out.",
    ),
    "unknown": Kind(
        "labels are mostly unknown",
        "Unknown entries are never counted as negative; check that being known does not depend on the label.",
        "Unknown entries are never counted as negative; check that being known does not depend on the label.",
    ),
    "implied": Kind(
        "implications between labels",
        "If this is a rule, pass it on and every prediction will obey it; if not, check how the rows were labelled.",
        "Where these are rules, pass them on and every prediction will obey them: implies=[('child', 'parent')], which "
        "DataChecks.implications() lists, or --implies 'child>parent'; where not, check how the rows were labelled.",
    ),
    "exclusive": Kind(
        "pairs of labels never occur together",
        "If they exclude each other, nothing needs to be done; if not, check whether annotators had to choose one.",
        "Where they exclude each other, nothing needs to be done; where not, check whether annotators had to choose.",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One problem found in the data."""

    kind: str  # of `KINDS`
    severity: Severity  # error: almost surely wrong; warning: look before training; note: good to know
    message: str  # what was found, and what to do
    brief: str  # the same in a few words
    labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()  # the first few: ids, or numbers from 1
    n_rows: int = 0  # rows in all; 0 when it is not about rows
    values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of(KINDS, kind=self.kind)
        one_of(SEVERITIES, severity=self.severity)

    def __repr__(self) -> str:
        return short_repr("Finding", f"{self.severity}, {self.kind}: {self.brief}")

    def _repr_html_(self) -> str:
        return section(paragraph(f"{self.severity.capitalize()}:", self.message))


def make_finding(kind: str, severity: Severity, sentence: str, brief: str, **details: Any) -> Finding:
    """A finding whose message is the sentence followed by its kind's advice."""
    return Finding(kind, severity, f"{sentence} {KINDS[kind].advice}", brief, **details)


@dataclass(frozen=True)
class DataChecks:
    """What `check_data` found."""

    findings: Sequence[Finding]  # the gravest first, then in the order of `KINDS`
    facts: Mapping[str, Any]  # see `summary.describe_targets`
    limits: Sequence[str] = ()  # what was left out because there was too much of it

    def implications(self) -> list[tuple[str, str]]:
        """Pairs (child, parent) for `implies`, least likely by chance first, without circles; not each is a rule."""
        ancestors_of: dict[str, set[str]] = {}
        pairs = []
        for finding in self.findings:
            if finding.kind == "implied":
                child, parent = finding.labels
                if child not in ancestors_of.get(parent, ()):
                    pairs.append((child, parent))
                    ancestors = {parent, *ancestors_of.get(parent, ())}
                    ancestors_of.setdefault(child, set()).update(ancestors)
                    for others in ancestors_of.values():
                        if child in others:
                            others |= ancestors
        return pairs

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: `findings` (one dict each), `facts`, `limits`."""
        return to_json_value(
            {"findings": [asdict(f) for f in self.findings], "facts": self.facts, "limits": self.limits}
        )

    def __repr__(self) -> str:
        counts = {name: sum(finding.severity == name for finding in self.findings) for name in SEVERITIES}
        found = ", ".join(pluralize(n, name) for name, n in counts.items() if n) or "no problems"
        size = f"{pluralize(self.facts['rows'], 'row')}, {pluralize(self.facts['labels'], 'label')}"
        return short_repr("DataChecks", f"{found} in {size}")

    def _repr_html_(self) -> str:
        rows = [(finding.severity, finding.message) for finding in self.findings[:ROWS_SHOWN]]
        found = table(("severity", "finding"), rows, len(self.findings), "findings")
        return section(
            paragraph("", _headline(self.facts)),
            found if rows else paragraph("No problems found."),
            *(paragraph("Left out:", limit) for limit in self.limits),
        )

    def __str__(self) -> str:
        sections = [_headline(self.facts)]
        for severity in SEVERITIES:
            by_kind: dict[str, list[Finding]] = {}
            for finding in self.findings:
                if finding.severity == severity:
                    by_kind.setdefault(finding.kind, []).append(finding)
            if by_kind:
                sections.append(f"{severity.capitalize()}s\n{bullets(map(_paragraph, by_kind.values()))}")
        if not self.findings:
            sections.append("No problems found.")
        if self.limits:
            sections.append(f"Left out\n{bullets(self.limits)}")
        return "\n\n".join(sections)


def quote(name: str) -> str:
    """A name for a sentence: in quotes, shortened, without what a terminal would obey."""
    return f"'{printable(name, NAME_WIDTH)}'"


def _headline(facts: Mapping[str, Any]) -> str:
    clauses = [f"{pluralize(facts['rows'], 'row')}, {pluralize(facts['labels'], 'label')}"]
    if facts["cardinality"] is not None:
        clauses.append(f"{facts['cardinality']:.2f} labels per row")
    if facts["density"] is not None:
        clauses.append(f"density {facts['density']:.3f}")
    clauses.append(pluralize(facts["label_sets"]["distinct"], "distinct label set"))
    clauses.append(f"{pluralize(facts['rows_without_labels'], 'row')} without labels")
    if facts["unknown_share"] > 0:
        clauses.append(f"{100 * facts['unknown_share']:.1f}% of the targets unknown")
    if facts["rows_unknown"]:
        clauses.append(f"{pluralize(facts['rows_unknown'], 'row')} without any known target")
    sizes = [(size, rows) for size, rows in enumerate(facts["label_set_sizes"]) if rows]
    lines = [wrap("; ".join(clauses) + ".")]
    if sizes:
        n_more = sum(rows for _, rows in sizes[SIZES_SHOWN:])
        size_list = ", ".join(f"{size} in {rows}" for size, rows in sizes[:SIZES_SHOWN])
        rest = f", more than {sizes[SIZES_SHOWN - 1][0]} in {n_more}" if n_more else ""
        lines.append(wrap(f"Labels per row, and in how many rows: {size_list}{rest}."))
    support = facts["support"]
    lines.append(wrap(f"Positives per label: {support['min']} to {support['max']}, median {support['median']:g}."))
    return "\n".join(lines)


def _paragraph(findings: Sequence[Finding]) -> str:
    """The findings of one kind: one in full, several in brief."""
    if len(findings) == 1:
        return findings[0].message
    kind = KINDS[findings[0].kind]
    briefs = "; ".join(finding.brief for finding in findings[:BRIEFS_SHOWN])
    remainder = f"; and {len(findings) - BRIEFS_SHOWN} more" if len(findings) > BRIEFS_SHOWN else ""
    return f"{len(findings)} {kind.heading}: {briefs}{remainder}. {kind.advice_plural}"
