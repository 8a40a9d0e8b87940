"""The sentence on top of a page is computed from the numbers, also when the answer is no."""

import numpy as np
import pytest

from ghostjax.report import Finding, verdict
from ghostjax.report._verdict import listed


FOUND = Finding(
    nodes=64,
    named=(3, 54, 55, 56),
    since=1,
    limit=3.5,
    weakest=7.04,
    suspect=1.9,
    false_alarms=0,
    byzantine=(54, 55, 56, 57),
    attack_free=np.array([0.94, 0.95, 0.93]),
    attacked=np.array([0.71, 0.73, 0.70]),
    removed=np.array([0.93, 0.94, 0.93]),
    defence="trimmed mean",
    defended=np.array([0.91, 0.92, 0.90]),
    defended_free=np.array([0.93, 0.94, 0.92]),
)
SENTENCES = {
    "all is well": (
        {},
        "Identities 3 and 54 to 56 moved the model from round 1 on (3 of 3 seeds agree); the attack costs the mean "
        "22.7 points of accuracy, and the defence pays: trimmed mean ends 19.7 points above the mean.",
    ),
    "one": ({"named": (7,), "since": 9}, "Identity 7 moved the model from round 9 on"),
    "nobody": ({"named": ()}, "Nobody could be named: no identity's removal stands out in every seed; the attack"),
    "no cost": (
        {"attack_free": np.array([0.71, 0.72, 0.71])},
        "the attack has no significant cost (+0.0 points [-2.5, +2.5]), and",
    ),
    "does not pay": (
        {"defended": np.array([0.61, 0.63, 0.60])},
        "and the defence does not pay: trimmed mean ends 10.0 points below the mean.",
    ),
    "undecided": (
        {"defended": np.array([0.72, 0.71, 0.72])},
        "and it is undecided whether the defence pays: trimmed mean ends +0.3 points [-4.8, +5.5] from the mean.",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_the_sentence_says_what_the_numbers_say(case):
    changed, words = SENTENCES[case]
    sentence = verdict(FOUND._replace(**changed)).sentence
    assert words in sentence and sentence.count(".") == sentence.rstrip(".").count(".") + 1


def test_one_seed_claims_no_certainty():
    one = {key: value[:1] for key, value in FOUND._asdict().items() if isinstance(value, np.ndarray)}
    answer = verdict(FOUND._replace(**one))
    assert "(one seed)" in answer.sentence and "one seed has no interval" in answer.sentence
    assert "pays" not in answer.sentence and "[" not in " ".join(answer.grounds) and "nan" not in str(answer)


def test_the_grounds_tell_the_truth_beside_the_answer():
    grounds = verdict(FOUND).grounds
    assert grounds[-1].endswith("4 identities are Byzantine; 3 of them are named, 1 missed, and 1 honest ones accused.")
    assert "weakest of the named is 7.0 below" in grounds[0] and "names nobody" in grounds[0]
    assert "names 2" in verdict(FOUND._replace(false_alarms=2)).grounds[0]
    assert "94.0% without an attack and 71.3% with it (difference +22.7 points [+21.2, +24.1])" in grounds[1]
    assert "With all 4 named removed" in grounds[2].replace("Joint effect: with", "With")
    without = verdict(FOUND._replace(named=())).grounds
    assert not any("Joint effect" in ground for ground in without), "nobody was removed"


def test_neighbours_become_a_range():
    assert listed([5]) == "5" and listed([5, 3]) == "3 and 5" and listed([1, 2, 3, 9, 12, 13]) == "1 to 3, 9, 12 and 13"
