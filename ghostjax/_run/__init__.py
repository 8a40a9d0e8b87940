"""Running a simulation from the host."""

from ghostjax._run._checkpoint import checkpoint_status as checkpoint_status, CheckpointStatus as CheckpointStatus
from ghostjax._run._describe import describe as describe
from ghostjax._run._load import load_run as load_run
from ghostjax._run._result import RunResult as RunResult
from ghostjax._run._run import Run as Run
from ghostjax._run._simulate import simulate as simulate
