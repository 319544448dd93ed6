"""manyhot's defaults beside peers' scores on every multi-label set at hand: mean ranks, cells won, rare labels.

Usage: python benchmarks/mulan.py [--peers FILE ...] [--seeds 3] [--before FILE] [--out results/mulan.json] [SET ...]
The sets are read from the folder that MANYHOT_DATA names; `sets.py` tells their splits. The peers' files map set ->
method -> HL, subset, exF1, miF1, maF1, RL, LRAP, mAP; `peer_scores.py` makes one. Eight measures, medians over the
seeds; the five of decisions three times: at 0.5, as `predict` decides by default, and as the decision made for that
measure does, chosen on the scores that training kept (`MADE_FOR`). Peers decide at 0.5. `--before` names a result of
another time, for the cells won before and after. Runs are written as they finish, to OUT.part, and a killed run goes on
from there.
"""

import argparse
import datetime
import json
import os
import resource
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

from measures import DECISION_MEASURES, MEASURES, PEER_NAMES, RANKING_MEASURES, of_decisions, of_scores, rare_labels
from ranks import compared, load_peers, table_text, unfinished
from sets import SETS, Split, load

from manyhot.decisions.policy import DecisionPolicy, fit_policy
from manyhot.estimators.multilabel import MultiLabelClassifier

# Were labels independent, the likeliest label set would have every label above 0.5, as the Hamming loss wants it
MADE_FOR = {**{name: name for name in ("f1_samples", "f1_micro", "f1_macro", "jaccard_samples")},
            "hamming_loss": "hamming", "subset_accuracy": "hamming"}  # fmt: skip
AT_HALF, DEFAULT, MADE = "at 0.5", "default decision", "decision made for it"
SVM = "LinearSVM"


def one_run(split: Split, seed: int) -> dict:
    began, processor_began = time.perf_counter(), time.process_time()
    classifier = MultiLabelClassifier(random_state=seed, verbose=0).fit(split.train)
    seconds, processor_seconds = time.perf_counter() - began, time.process_time() - processor_began
    costs = {"seconds": round(seconds, 2), "processor_seconds": round(processor_seconds, 2)}
    costs["peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {**of_classifier(classifier, split), "costs": costs}


def of_classifier(classifier: MultiLabelClassifier, split: Split) -> dict:
    """The measures on the test part."""
    model, scores = classifier.model_, classifier.predict_proba(split.test)
    order = [classifier.labels_.index(name) for name in split.train.labels.names]
    values = split.test.targets.values

    def decided(policy: DecisionPolicy) -> dict[str, float]:
        return of_decisions(values, policy.decide(scores)[:, order])

    run = {
        "scores": of_scores(values, scores[:, order], split.support()),
        AT_HALF: of_decisions(values, scores[:, order] >= 0.5),
        DEFAULT: decided(model.policy),
        MADE: {},
    }
    kept = model.evidence.unique_scores()
    for decision in dict.fromkeys(MADE_FOR.values()):  # what `tune_thresholds` does, without a report of each
        config = replace(model.config, decision=decision, decision_params=None)
        fitted = fit_policy(config, model.labels, kept, calibration=model.policy.calibration)
        found = decided(model.policy.with_decision(fitted.decision))
        run[MADE] |= {measure: found[measure] for measure, name in MADE_FOR.items() if name == decision}
    return run


def medians(runs: list[dict]) -> dict:
    return {part: {key: statistics.median(run[part][key] for run in runs) for key in runs[0][part]} for part in runs[0]}


def measured(sets: list[str], seeds: int, part: Path | None) -> dict:
    """Set -> its sizes, the runs by seed and their medians; finished runs are kept in `part`."""
    kept = json.loads(part.read_text()) if part and part.exists() else {}
    results = {}
    for name in sets:
        split = load(name)
        runs = kept.setdefault(name, {})
        for seed in range(seeds):
            if str(seed) not in runs:
                runs[str(seed)] = one_run(split, seed)
                print(f"{name}, seed {seed}: {runs[str(seed)]['costs']['seconds']:.1f} s", file=sys.stderr, flush=True)
                if part:
                    part.write_text(json.dumps(kept))
        chosen = {str(seed): runs[str(seed)] for seed in range(seeds)}
        rare = rare_labels(split.test.targets.values, split.support())
        sizes = {"n_train": split.train.n_samples, "n_test": split.test.n_samples, "n_labels": len(split.support())}
        results[name] = {**sizes, "n_rare": len(rare), "median": medians(list(chosen.values())), "runs": chosen}
    return results


def variants(told: dict, sets: list[str]) -> dict[str, dict]:
    """Variant -> set -> measure -> manyhot's value, of a result; the first layout had measures at 0.5 alone."""
    if "sets" not in told:
        return {AT_HALF: {name: told[name] for name in sets if name in told}}
    rows = {name: told["sets"][name]["median"] for name in sets if name in told["sets"]}
    return {
        variant: {name: {**row["scores"], **row[variant]} for name, row in rows.items()}
        for variant in (AT_HALF, DEFAULT, MADE)
    }


def set_text(name: str, row: dict, peers: dict) -> str:
    """manyhot's medians of one set, each beside the best peer's."""
    told = row["median"]
    shown = []
    for measure, (short, better) in MEASURES.items():
        if measure in RANKING_MEASURES:
            text = f"{short} {told['scores'][measure]:.4f}"
        else:
            at_half, default, made = (told[variant][measure] for variant in (AT_HALF, DEFAULT, MADE))
            text = f"{short} {at_half:.4f} at 0.5, {default:.4f} default, {made:.4f} made for it"
        rivals = {method: cell[short] for method, cell in peers.get(name, {}).items() if cell.get(short) is not None}
        if rivals:
            method = better(rivals, key=rivals.get)
            text += f" ({method} {rivals[method]:.4f})"
        shown.append(text)
    costs = told["costs"]
    return f"{name}: {'; '.join(shown)}; fit {costs['seconds']:.1f} s; peak {costs['peak_gib']:.2f} GiB"


def rare_text(results: dict, peers: dict) -> str:
    """Mean average precision of labels with few training rows, beside the linear SVM's."""
    lines, gains = [], []
    for name, row in results.items():
        theirs, mine = peers.get(name, {}).get(SVM, {}).get(PEER_NAMES["map_rare"]), row["median"]["scores"]
        if "map_rare" in mine:
            lines.append(f"{name}: {row['n_rare']} labels under 20 training rows, mean AP {mine['map_rare']:.4f}")
            if theirs is not None:
                gains.append(mine["map_rare"] - theirs)
                lines[-1] += f" (linear SVM {theirs:.4f})"
    if gains:
        lines.append(
            f"mean over {len(gains)} sets of the difference from the linear SVM: {statistics.fmean(gains):+.4f}"
        )
    return "\n".join(lines)


def won_text(found: dict[str, dict], before: dict[str, dict]) -> str:
    """Cells won, by variant and measure, before and after."""
    lines = []
    for variant, rows in found.items():
        counts = []
        for measure, (short, _) in MEASURES.items():
            won = rows[measure]["won"]
            text = f"{short} {sum(won.values())} of {len(won)}"
            old = before.get(variant, {}).get(measure, {}).get("won")
            counts.append(text + (f" (before {sum(old.values())} of {len(old)})" if old else ""))
        lines.append(f"cells won, {variant}: {'; '.join(counts)}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sets", nargs="*", default=list(SETS))
    parser.add_argument("--peers", type=Path, nargs="+", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    part = options.out and options.out.with_name(options.out.name + ".part")
    peers = load_peers(options.peers)
    results = measured(options.sets, options.seeds, part)
    print("\n".join(set_text(name, row, peers) for name, row in results.items()))
    told = {"date": str(datetime.date.today()), "cores": os.cpu_count(), "seeds": options.seeds, "sets": results}
    found = {variant: compared(peers, rows) for variant, rows in variants(told, options.sets).items()}
    left_out = unfinished(peers, options.sets)
    if peers:
        older = variants(json.loads(options.before.read_text()), options.sets) if options.before else {}
        before = {variant: compared(peers, rows) for variant, rows in older.items()}
        print(table_text(found, MADE))
        for variant, rows in found.items():
            tied = {PEER_NAMES[name]: rows[name]["ahead"] for name in DECISION_MEASURES if rows[name]["ahead"]}
            print(f"not behind manyhot in the mean rank on their sets, {variant}: {tied or 'none'}")
        tied = {PEER_NAMES[name]: found[MADE][name]["ahead"] for name in RANKING_MEASURES if found[MADE][name]["ahead"]}
        print(f"not behind manyhot in the mean rank on their sets, ranking measures: {tied or 'none'}")
        print(won_text(found, before))
        for name, methods in left_out.items():
            listed = "; ".join(f"{method} ({why})" for method, why in methods.items())
            print(f"left out of the ranks on {name}: {listed or 'none'}")
    print(rare_text(results, peers))
    if options.out:
        used = {name: peers[name] for name in options.sets if name in peers}
        whole = {**told, "compared": found, "left_out": left_out, "peers": used}
        options.out.write_text(json.dumps(whole, indent=1) + "\n")
        if part.exists():
            part.unlink()


if __name__ == "__main__":
    main()
