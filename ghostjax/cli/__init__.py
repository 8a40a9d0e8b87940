"""The command line: the only place where names stand for objects.

    ghostjax demo                 train, attack, defend, attribute; writes a page
    ghostjax run [CONFIG] ...     one training
    ghostjax sweep CONFIG ...     every point of a product of axes
    ghostjax incident [CONFIG] ...  who moved a network, since when, and what a repair restores
    ghostjax resume DIR           continue an interrupted run or sweep to the same bits
    ghostjax resume DIR --rounds N  continue a run to N rounds, those played included
    ghostjax report DIR           write the page of a run or sweep again
    ghostjax verify DIR           read every file of a run, sweep or ledger: one line for each that is not what it was
    ghostjax check [PATH ...]     explore specifications, kill their mutants, play them at random
    ghostjax list [FAMILY ...]    all names of rules, attacks, tasks, ...
    ghostjax doctor               devices, versions, writable folders

Exit codes: 0 ok, 1 an invariant was violated or a file is damaged, 2 usage, 3 the run failed, 75 stopped and resumable.
"""

from ghostjax.cli._main import main as main
