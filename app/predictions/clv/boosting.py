"""Gradient boosting on what followed past origins: LightGBM learns it, NumPy applies it.

The trees are kept as plain lists, so that a fitted model gives the same numbers where LightGBM is not installed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.predictions.clv.histories import Consumers, Fold, Vector

FEWEST_ORDERS = 300
"""Orders to learn from, below which trees of 50 consumers a leaf cannot say anything."""
ROUNDS = 100
SETTINGS: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 50,
    "lambda_l2": 1.0,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
"""Small trees, few of them, one thread: learnt from a few thousand consumers, and the same on every machine."""
LEAST = 1e-9
BLOCK = 20_000

Tree = Any
"""A leaf's value, or [feature, threshold, tree where feature <= threshold, tree where above]."""


@dataclass(frozen=True)
class Trees:
    """Their sum is the logarithm of expected orders, or the log odds of any."""

    trees: list[Tree]

    def __call__(self, features: Vector) -> Vector:
        """`features` is (features, n)."""
        total = np.zeros(features.shape[1])
        for start in range(0, len(total), BLOCK):
            block = features[:, start : start + BLOCK]
            for tree in self.trees:
                total[start : start + BLOCK] += _value(tree, block)
        return total


@dataclass(frozen=True)
class Boosting:
    """`horizon` is the one that was learnt; `orders` and `probability` answer for it alone."""

    horizon: float
    orders: Trees
    probability: Trees

    def to_json(self) -> dict[str, Any]:
        return {"horizon": self.horizon, "orders": self.orders.trees, "probability": self.probability.trees}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Boosting":
        return cls(data["horizon"], Trees(data["orders"]), Trees(data["probability"]))


def features_of(consumers: Consumers, expected: Vector, alive: Vector) -> Vector:
    """(features, n). `expected` orders at the learnt horizon, of the model that is boosted."""
    x, recency, age = consumers.frequency, consumers.recency, consumers.age
    return np.vstack([
        x,
        recency,
        age,
        age - recency,
        (x + 1.0) / (age + 4.0),
        consumers.recent.T,
        np.log(np.maximum(consumers.amount, LEAST) / (x + 1.0)),
        alive,
        np.log(np.maximum(expected, LEAST)),
    ])  # fmt: skip


def boosting_installed() -> bool:
    try:
        import lightgbm  # noqa: F401
    except ImportError:
        return False
    return True


def learn(folds: Sequence[Fold], features: Sequence[Vector], seed: int) -> Boosting | None:
    """From folds of one horizon; None where they are too few to learn from."""
    if not folds or sum(float(fold.actual_orders.sum()) for fold in folds) < FEWEST_ORDERS:
        return None
    rows = np.hstack(features).T
    orders = np.concatenate([fold.actual_orders for fold in folds])
    return Boosting(
        horizon=folds[-1].horizon,
        orders=_train(rows, orders, "poisson", seed),
        probability=_train(rows, (orders > 0).astype(np.float64), "binary", seed),
    )


def _train(rows: Vector, target: Vector, objective: str, seed: int) -> Trees:
    import lightgbm

    settings = {**SETTINGS, "objective": objective, "seed": seed}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, target, params={"verbose": -1}), ROUNDS)
    return Trees([_plain(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]])


def _plain(node: dict[str, Any]) -> Tree:
    if "leaf_value" in node:
        return float(node["leaf_value"])
    return [node["split_feature"], float(node["threshold"]), _plain(node["left_child"]), _plain(node["right_child"])]


def _value(tree: Tree, features: Vector) -> Any:
    if isinstance(tree, float):
        return tree
    feature, threshold, below, above = tree
    return np.where(features[feature] <= threshold, _value(below, features), _value(above, features))
