"""Writes distances.json beside it: PSI and KS of tied and continuous scores, by NumPy and SciPy alone.

    python/.venv/bin/python pipeline/diff/testdata/make_distances.py

KS is scipy.stats.ks_2samp. PSI is the definition in pipeline/diff/doc.go: the limits are numpy.quantile(old,
[0.1 ... 0.9], method="inverted_cdf") and its like from above, numpy.searchsorted counts what equals a limit on either
side of it, and scipy.special.rel_entr adds up, with shares of zero as 1e-4.
"""

import json
import pathlib

import numpy as np
from scipy.special import rel_entr
from scipy.stats import ks_2samp

TENTHS = np.arange(1, 10) / 10
FLOOR = 1e-4


def shares(values: np.ndarray, limits: np.ndarray, side: str) -> np.ndarray:
    """The share of values in each bin between limits; side as that of numpy.searchsorted."""
    counts = np.bincount(np.searchsorted(limits, values, side=side), minlength=len(limits) + 1)
    found = counts / len(values)
    return np.where(counts == 0, FLOOR, found)


def psi(old: np.ndarray, new: np.ndarray) -> float:
    """The population stability index as package diff defines it."""
    lower = np.quantile(old, TENTHS, method="inverted_cdf")
    upper = -np.quantile(-old, TENTHS, method="inverted_cdf")
    found = []
    for limits in (np.unique(lower), np.unique(upper)):
        for side in ("left", "right"):
            was, now = shares(old, limits, side), shares(new, limits, side)
            found.append(float(np.sum(rel_entr(now, was) + rel_entr(was, now))))
    return float(np.mean(found))


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pairs of scores by name. Those called up and down are moved by the same amount."""
    rng = np.random.default_rng(12)
    normal, other = np.round(rng.normal(size=257), 4), np.round(rng.normal(0.3, 1.2, 211), 4)
    classes = rng.choice([0.0, 1.0, 2.0], 240, p=[0.55, 0.3, 0.15])
    tenths = np.round(rng.random(200), 1)
    silent = np.where(rng.random(250) < 0.35, 0, np.round(rng.random(250), 3))  # a ReLU that is often off
    pairs = {
        "continuous, the same": (normal, normal),
        "continuous, another": (normal, other),
        "continuous, apart": (normal, normal + 50),
        "continuous, of one size": (np.arange(100.0), np.arange(100.0) * 1.25 - 7),
        "tied and continuous": (tenths, normal),
        "continuous and tied": (normal, tenths),
        "no value of both": (classes, np.full(60, 7.5)),
        "one value": (np.full(40, 0.25), np.array([0.25] * 39 + [3])),
    }
    tied = {
        "three classes": classes,
        "tenths": tenths,
        "often zero": silent,
        "one value": np.full(30, 0.5),
        "even tenths": np.repeat(np.arange(10.0), 20),
    }
    for name, old in tied.items():
        pairs[f"{name}, up"] = (old, old + 1e-4)
        pairs[f"{name}, down"] = (old, old - 1e-4)
    return pairs


def main() -> None:
    """Write the vectors."""
    vectors = []
    for name, (old, new) in cases().items():
        was, now = np.float32(old), np.float32(new)
        distances = {"name": name, "psi": psi(was, now), "ks": float(ks_2samp(was, now).statistic)}
        vectors.append(distances | {"old": [float(str(v)) for v in was], "new": [float(str(v)) for v in now]})
    text = "[\n" + ",\n".join(json.dumps(v, separators=(",", ":")) for v in vectors) + "\n]\n"
    pathlib.Path(__file__).with_name("distances.json").write_text(text)


if __name__ == "__main__":
    main()
