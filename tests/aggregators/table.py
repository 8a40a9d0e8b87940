"""One row per rule and way of setting it: every law of `check_aggregator` runs on each."""

from ghostjax import aggregators as agg


TABLE = {
    "mean": lambda: agg.Mean(),
    "trimmed_mean": lambda: agg.TrimmedMean(f=1),
    "krum": lambda: agg.Krum(f=1),
    "centered_clipping": lambda: agg.CenteredClipping(tau=2.0),
    "nnm_trimmed_mean": lambda: agg.NNM(agg.TrimmedMean(f=1), f=1),
}
"""One row per kind of rule."""

MEMBERS = {
    "median": lambda: agg.Median(),
    "geometric_median": lambda: agg.GeometricMedian(nu=0.1),
    "weiszfeld": lambda: agg.Weiszfeld(),
    "multi_krum": lambda: agg.MultiKrum(f=1),
    "bucketing_median": lambda: agg.Bucketing(agg.Median()),
    "arc_mean": lambda: agg.ARC(agg.Mean(), f=2),
    "clipping_mean": lambda: agg.Clipping(agg.Mean(), c=1.5),
}
"""Every other rule of the library: with the kinds, what the quick suite holds to every law."""

MORE = {
    "median_f": lambda: agg.Median(f=2),
    "geometric_median_f": lambda: agg.GeometricMedian(smoothing="none", f=1),
    "bucketing_median_f": lambda: agg.Bucketing(agg.Median(f=1)),
    "nnm_median_f": lambda: agg.NNM(agg.Median(f=1), f=1),
    "nnm_geometric_median": lambda: agg.NNM(agg.GeometricMedian(smoothing="none", share=0.2), share=0.2),
    "nnm_too_much": lambda: agg.NNM(agg.TrimmedMean(f=1), f=2),
    "arc_geometric_median": lambda: agg.ARC(agg.GeometricMedian(smoothing="none", f=1), f=1),
    "clipping_krum": lambda: agg.Clipping(agg.Krum(f=1), c=1.5),
    "clipping_weiszfeld": lambda: agg.Clipping(agg.Weiszfeld()),
    "clipping_nnm": lambda: agg.Clipping(agg.NNM(agg.TrimmedMean(f=1), f=1), c=1.5),
    "arc_trimmed_mean": lambda: agg.ARC(agg.TrimmedMean(f=1), f=1),
    "trimmed_mean_fraction": lambda: agg.TrimmedMean(f=1.5),
    "trimmed_mean_share": lambda: agg.TrimmedMean(share=0.25),
    "trimmed_mean_all": lambda: agg.TrimmedMean(f=5),
    "krum_f0": lambda: agg.Krum(),
    "krum_share": lambda: agg.Krum(share=0.3),
    "krum_original": lambda: agg.Krum(f=2, neighbours="n-f-2"),
    "multi_krum_m": lambda: agg.MultiKrum(f=1, m=1.5),
    "multi_krum_share": lambda: agg.MultiKrum(share=0.2, neighbours="n-f-2"),
    "geometric_median_max": lambda: agg.GeometricMedian(nu=0.5, smoothing="max"),
    "geometric_median_none": lambda: agg.GeometricMedian(smoothing="none"),
    "weiszfeld_mean": lambda: agg.Weiszfeld(nu=0.5, steps=5, start="mean"),
    "weiszfeld_median": lambda: agg.Weiszfeld(nu=0.5, steps=2, start="median"),
    "centered_clipping_steps": lambda: agg.CenteredClipping(tau=1.0, steps=4),
    "centered_clipping_anchor": lambda: agg.CenteredClipping(tau=2.0, steps=2, centre="anchor"),
    "nnm_mean": lambda: agg.NNM(agg.Mean(), share=0.2),
    "nnm_krum": lambda: agg.NNM(agg.Krum(f=1), f=1),
    "bucketing_trimmed_mean": lambda: agg.Bucketing(agg.TrimmedMean(f=1), size=3),
    "bucketing_krum": lambda: agg.Bucketing(agg.Krum(f=1)),
    "clipping_median": lambda: agg.Clipping(agg.Median()),
    "clipping_centered": lambda: agg.Clipping(agg.CenteredClipping(tau=1.0, centre="anchor")),
    "clipping_centered_short": lambda: agg.Clipping(agg.CenteredClipping(tau=1.0, steps=2), c=0.4),
    "nnm_centered": lambda: agg.NNM(agg.CenteredClipping(tau=1.0, steps=2), f=1),
    "nnm_clipping_mean": lambda: agg.NNM(agg.Clipping(agg.Mean(), c=1.5), f=1),
    "arc_centered": lambda: agg.ARC(agg.CenteredClipping(tau=1.0), f=2),
    "arc_clipping_mean": lambda: agg.ARC(agg.Clipping(agg.Mean(), c=8.0), f=2),
    "bucketing_centered": lambda: agg.Bucketing(agg.CenteredClipping(tau=1.0, steps=2)),
    "bucketing_clipping_mean": lambda: agg.Bucketing(agg.Clipping(agg.Mean(), c=1.5), size=3),
    "bucketing_clipping_trimmed": lambda: agg.Bucketing(agg.Clipping(agg.TrimmedMean(f=1), c=1.5)),
    "clipping_bucketing_trimmed": lambda: agg.Clipping(agg.Bucketing(agg.TrimmedMean(f=1)), c=1.5),
    "arc_share": lambda: agg.ARC(agg.Mean(), share=0.2),
    "arc_krum": lambda: agg.ARC(agg.Krum(f=1), f=1),
    "arc_nnm_trimmed_mean": lambda: agg.ARC(agg.NNM(agg.TrimmedMean(f=1), f=1), f=1),
}
"""Other knobs and compositions: the whole suite."""
