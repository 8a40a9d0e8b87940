"""byzpy's aggregators, called directly, with the settings that make them do the same work as the others."""

import importlib.metadata

import numpy as np
import torch
from byzpy.aggregators.coordinate_wise.median import CoordinateWiseMedian
from byzpy.aggregators.coordinate_wise.trimmed_mean import CoordinateWiseTrimmedMean
from byzpy.aggregators.geometric_wise.geometric_median import GeometricMedian
from byzpy.aggregators.geometric_wise.krum import Krum, MultiKrum
from byzpy.aggregators.norm_wise.center_clipping import CenteredClipping
from byzpy.pre_aggregators.nnm import NearestNeighborMixing
from protocol import serve, Skip


torch.set_num_threads(1)


def build(rule, n, f, knobs):
    match rule:
        case "mean":
            raise Skip("byzpy has no mean")
        case "median":
            return CoordinateWiseMedian().aggregate
        case "trimmed_mean":
            return CoordinateWiseTrimmedMean(f).aggregate
        case "krum":
            return Krum(f).aggregate
        case "multi_krum":
            return MultiKrum(f, q=n - f).aggregate
        case "geometric_median":
            return GeometricMedian(max_iter=knobs["steps"], init="mean").aggregate
        case "centered_clipping":
            return CenteredClipping(c_tau=knobs["tau"], M=1, init="zero").aggregate
        case "nnm_trimmed_mean":
            mix, trim = NearestNeighborMixing(f), CoordinateWiseTrimmedMean(f)
            return lambda rows: trim.aggregate(mix.pre_aggregate(rows))
    raise Skip(f"byzpy has no {rule}")


def setup(case):
    if case["kind"] != "rule":
        raise Skip("rounds are compared with byzfl's own loop only")
    rows = list(torch.from_numpy(np.load(case["data"])["x"]))
    rule, last = build(case["rule"], len(rows), case["f"], case["knobs"]), {}

    def step(count):
        with torch.no_grad():
            for _ in range(count):
                last["y"] = rule(rows)
        return count

    return step, lambda: {"y": last["y"].numpy()}


if __name__ == "__main__":
    serve(setup, {"byzpy": importlib.metadata.version("byzpy"), "torch": torch.__version__})
