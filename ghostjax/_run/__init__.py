"""Running a simulation from the host."""

from ghostjax._run._result import RunResult as RunResult
from ghostjax._run._run import Run as Run
from ghostjax._run._simulate import simulate as simulate
