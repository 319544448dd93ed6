"""What the registry of metrics says of each."""

from extensions.markdown import escape
from manyhot.evaluation.metrics import METRICS


def to_markdown(name: str) -> str:
    """Title, meaning and pitfall of a metric, its range and what it is computed from."""
    metric = METRICS[name]
    best = "higher is better" if metric.higher_is_better else "lower is better"
    top = "1" if metric.upper_bound == 1 else "no upper bound"
    span = f"0 to {top}" if top == "1" else f"from 0, {top}"
    computed = "probabilities" if metric.needs == "scores" else "predicted labels"
    return (
        f"**{escape(metric.title.format(k='k'))}.** {escape(metric.meaning)}\n\n"
        f"*Misleads:* {escape(metric.misleads)}\n\n"
        f"*Range:* {span}; {best}. *Computed from* {computed}."
    )
