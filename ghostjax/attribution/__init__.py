"""Attribution: the effect of each identity on the outcome of a run, exactly by replays or by one backward pass."""

from ghostjax.attribution._adjoint import adjoint as adjoint, certificate as certificate
from ghostjax.attribution._agreement import lds as lds, pearson as pearson, spearman as spearman
from ghostjax.attribution._outcome import final_model as final_model, goal_loss as goal_loss, Outcome as Outcome
from ghostjax.attribution._replay import leave_one_out as leave_one_out, replay as replay
from ghostjax.attribution._result import Attribution as Attribution, Certificate as Certificate
