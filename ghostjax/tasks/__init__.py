"""Learning problems: data, model, local objectives and the stated goal."""

from ghostjax.tasks import models as models, partition as partition
from ghostjax.tasks._base import AbstractTask as AbstractTask
from ghostjax.tasks._files import DataError as DataError
from ghostjax.tasks._splits import Examples as Examples, Splits as Splits
from ghostjax.tasks.arrays import ArrayTask as ArrayTask, Batch as Batch, from_arrays as from_arrays
from ghostjax.tasks.cifar import (
    cifar10 as cifar10,
    cifar100 as cifar100,
    load_cifar10 as load_cifar10,
    load_cifar100 as load_cifar100,
)
from ghostjax.tasks.criteria import cross_entropy as cross_entropy, squared_error as squared_error
from ghostjax.tasks.digits import digits as digits, load_digits as load_digits
from ghostjax.tasks.logistic import Logistic as Logistic, logistic as logistic
from ghostjax.tasks.mnist import (
    emnist as emnist,
    fashion_mnist as fashion_mnist,
    load_emnist as load_emnist,
    load_fashion_mnist as load_fashion_mnist,
    load_mnist as load_mnist,
    mnist as mnist,
)
from ghostjax.tasks.quadratic import Quadratic as Quadratic, quadratic as quadratic
