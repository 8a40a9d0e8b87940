"""The result of an attribution."""

import html
from typing import Any, NamedTuple

import numpy as np

from ghostjax._types import require


SHOWN = 10
"""Rows of a table in a notebook."""


class Certificate(NamedTuple):
    """The comparison of an attribution with exact replays of a few random removals.

    `probes` are the identities removed. `predicted` and `exact` are the changes of the outcome by their removal.
    `slope` is the least-squares factor from predicted to exact through the origin.
    """

    spearman: float
    pearson: float
    slope: float
    probes: np.ndarray
    predicted: np.ndarray
    exact: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """A 95 % interval for `spearman` over all identities, by Fisher's transform; (-1, 1) below five probes."""
        count = len(self.probes)
        if count < 5 or not abs(self.spearman) < 1:
            return (self.spearman, self.spearman) if abs(self.spearman) == 1 and count >= 5 else (-1.0, 1.0)
        centre, half = np.arctanh(self.spearman), 1.96 * np.sqrt(1.06 / (count - 3))
        return float(np.tanh(centre - half)), float(np.tanh(centre + half))


class Attribution(NamedTuple):
    """The effect of each identity on the outcome J of a run.

    `scores` `[n]` (one per group if `over` is "group") are the changes of J by the removal of that identity: a positive
    score means that it helped (a lower J is better). `outcome` is J of the run and `participation` `[T, n]` its
    weights. `cells` `[T, n]` is `-dJ/dw` (adjoint only), `values` are J after each removal (exact replays only). `note`
    is a reason to doubt the numbers, or empty.
    """

    scores: np.ndarray
    outcome: float
    participation: np.ndarray
    cells: np.ndarray | None = None
    values: np.ndarray | None = None
    certificate: Certificate | None = None
    over: str = "node"
    note: str = ""

    @property
    def ranking(self) -> np.ndarray:
        """The identities (or groups) from the most harmful to the most helpful; ties by lowest index."""
        return np.argsort(self.scores, kind="stable")

    def __repr__(self) -> str:
        return f"Attribution({self._summary()})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{i}</td><td>{self.scores[i]:+.4g}</td></tr>" for i in self.ranking[:SHOWN].tolist())
        head = f"<tr><th>{self.over}</th><th>its removal adds to the outcome</th></tr>"
        return f"<b>Attribution</b>, {html.escape(self._summary())}<table>{head}{rows}</table>"

    def _summary(self) -> str:
        worst = ", ".join(str(i) for i in self.ranking[:3].tolist())
        check = "" if self.certificate is None else f"; spearman {self.certificate.spearman:.3f} on probes"
        note = f"; {self.note}" if self.note else ""
        return f"{len(self.scores)} {self.over}s, outcome {self.outcome:.4g}, most harmful {worst}{check}{note}"

    def effect(self, masks: Any, *, calibrate: bool = False) -> np.ndarray:
        """The predicted change of J by silencing, as a sum of scores: `[m]` for `masks` `[m, n]` or `[m, T, n]`.

            effect_k = sum_(t, i) (1 - masks[k, t, i]) w[t, i] A[t, i]

        A mask is 1 where kept and 0 where silenced. With `calibrate` the effect is multiplied by
        `n / left = sum w / sum (masks w)`. Rules that divide by the mass present react by this factor more once many
        are gone, so rank and scale are predicted (measured by `experiments/adjoint_quality.py`). A rule that trims an
        absolute mass reacts even more.
        Errors: masks per cell for scores that exist per identity only.
        """
        masks = np.asarray(masks, float)
        kept = masks if masks.ndim == 3 else np.broadcast_to(masks[:, None, :], (len(masks), *self.participation.shape))
        if self.cells is not None:
            effect = np.einsum("mtn,tn->m", 1 - kept, self.participation * self.cells)
        else:
            require(
                masks.ndim == 2 and self.over == "node",
                "Attribution.effect",
                "masks",
                f"shape {masks.shape}",
                f"these scores are per {self.over}; single cells and other groups need those of adjoint",
            )
            effect = (1 - masks) @ self.scores
        if not calibrate:
            return effect
        return effect * self.participation.sum() / np.einsum("mtn,tn->m", kept, self.participation)

    def to_dataset(self) -> Any:
        """An `xarray.Dataset` with the dimensions `node` (or `group`), `round` and `probe`."""
        import xarray as xr

        over = self.over
        found: dict[str, Any] = {
            "score": (over, self.scores),
            "outcome": ((), self.outcome),
            "participation": (("round", "node"), self.participation),
        }
        if self.cells is not None:
            found["cell"] = (("round", "node"), self.cells)
        if self.values is not None:
            found["value"] = (over, self.values)
        attributes: dict[str, Any] = {"note": self.note}
        if self.certificate is not None:
            check = self.certificate
            found |= {
                "predicted": ("probe", check.predicted, {"node": check.probes.tolist()}),
                "exact": ("probe", check.exact),
            }
            attributes |= {"spearman": check.spearman, "pearson": check.pearson, "slope": check.slope}
        return xr.Dataset(found, attrs=attributes)
