"""Local learning: objectives -> updates, one per file."""

from ghostjax.learners._base import AbstractLearner as AbstractLearner, Objective as Objective
from ghostjax.learners._objective import local_gradients as local_gradients
from ghostjax.learners.gradient import Gradient as Gradient
from ghostjax.learners.local_steps import LocalSteps as LocalSteps
from ghostjax.learners.momentum import Momentum as Momentum
