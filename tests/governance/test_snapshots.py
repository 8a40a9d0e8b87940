"""The ring of earlier models: which ones it holds, and which one it returns to."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ghostjax as gj
from ghostjax.governance import Snapshots


AGES = 500


def played(snapshots, ages):
    """The ages in the ring after every age up to `ages`, `[ages, capacity]`; the kept state is the age itself."""

    @jax.jit
    def play(snapshots):
        def one(ring, age):
            ring = snapshots.keep(ring, age, age.astype(jnp.float32))
            return ring, ring

        return jax.lax.scan(one, snapshots.init(jnp.zeros(())), jnp.arange(1, ages + 1, dtype=jnp.int32))[1]

    ring = play(snapshots)
    held = np.asarray(ring.ages)
    np.testing.assert_array_equal(np.where(held >= 0, ring.parts, 0), np.maximum(held, 0))
    return held


def slots(capacity, every, age):
    """What the docstring says, number by number."""
    ring = [0] + [-1] * (capacity - 1)
    for m in range(1, age // every + 1):
        zeros = (m & -m).bit_length() - 1
        ring[1 + min(zeros, capacity - 2)] = m * every
    return ring


@pytest.mark.parametrize(("capacity", "every"), [(2, 1), (4, 1), (8, 1), (8, 5), (5, 7)])
def test_every_slot_holds_the_newest_age_that_belongs_to_it(capacity, every):
    held = played(Snapshots(capacity=capacity, every=every), AGES)
    for age in range(1, AGES + 1):
        assert held[age - 1].tolist() == slots(capacity, every, age), age


@pytest.mark.parametrize(("capacity", "every"), [(4, 1), (8, 1), (5, 7)])
def test_going_back_loses_at_most_three_times_as_much(capacity, every):
    held = played(Snapshots(capacity=capacity, every=every), AGES)
    for age in range(every, AGES + 1):
        ages = held[age - 1]
        assert age - ages.max() < every
        for back in range(1, min(2 ** (capacity - 3), age // every) + 1):
            found = ages[(ages >= 0) & (ages <= age - back * every)].max()
            assert age - found < (3 * back + 1) * every


@pytest.mark.parametrize("back", [0, 1, 6, 7, 40, 99, 500])
def test_newer_slots_are_emptied_and_filled_again(back):
    snapshots = Snapshots(capacity=6, every=2)
    ring = snapshots.init(jnp.zeros(()))
    keep = jax.jit(lambda ring, age, part: snapshots.keep(ring, age, part))
    for age in range(1, 101):
        ring = keep(ring, jnp.asarray(age), jnp.asarray(float(age)))
    before = np.asarray(ring.ages)
    expected = before[(before >= 0) & (before <= back)].max()
    ring, age, kept, acted = snapshots.restore(ring, jnp.asarray(back), jnp.asarray(100), jnp.asarray(100.0))
    assert bool(acted) and int(age) == float(kept) == expected
    np.testing.assert_array_equal(ring.ages, np.where(before > expected, -1, before))
    after = keep(ring, age + 2 - age % 2, age.astype(jnp.float32) + 2)
    assert int(after.ages.max()) == int(age) + 2 - int(age) % 2


def test_nothing_is_restored_unless_asked():
    snapshots = Snapshots(capacity=3, every=1)
    ring = snapshots.init(jnp.ones(2))
    same, age, kept, acted = snapshots.restore(ring, jnp.asarray(-1), jnp.asarray(4), jnp.full(2, 9.0))
    assert not bool(acted) and int(age) == 4 and kept.tolist() == [9, 9]
    np.testing.assert_array_equal(same.ages, ring.ages)


@pytest.mark.parametrize(("knobs", "name"), [({"capacity": 1}, "capacity"), ({"every": 0}, "every")])
def test_a_ring_that_cannot_be_meant_is_refused(knobs, name, as_users_run):
    with pytest.raises(gj.ConfigurationError, match=rf"^Snapshots: {name}="):
        Snapshots(**knobs)
