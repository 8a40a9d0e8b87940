"""`python -m ghostjax.cli`."""

import sys

from ghostjax.cli import main


sys.exit(main())
