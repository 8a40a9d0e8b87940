"""byzfl: its aggregators on torch tensors or NumPy arrays (argument), and its Client, Server and ByzantineClient.

The training loop is the one of its benchmark without evaluation and files; batches are drawn as index lists
(`batch_size=None`), which costs it up to a third less than its default loader.
"""

import importlib.machinery
import importlib.metadata
import sys
import types

import numpy as np
import torch
from protocol import serve, Skip


torch.set_num_threads(1)
# byzfl imports torchvision for the data sets of its own benchmark, which are not used here.
for name in ("torchvision", "torchvision.datasets", "torchvision.transforms"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__spec__ = importlib.machinery.ModuleSpec(name, None)
anything = types.SimpleNamespace(__call__=None)
for name in ("Compose", "RandomHorizontalFlip", "ToTensor", "Normalize", "RandomCrop"):
    setattr(sys.modules["torchvision.transforms"], name, lambda *args, **kwargs: anything)
for name in ("datasets", "transforms"):
    setattr(sys.modules["torchvision"], name, sys.modules[f"torchvision.{name}"])

import byzfl
from byzfl.fed_framework import models


def aggregator(rule, f, knobs):
    """A callable; built per call where the library's object keeps its last result as its next start."""
    match rule:
        case "mean":
            return byzfl.Average()
        case "median":
            return byzfl.Median()
        case "trimmed_mean":
            return byzfl.TrMean(f)
        case "krum":
            return byzfl.Krum(f)
        case "multi_krum":
            return byzfl.MultiKrum(f)
        case "geometric_median":
            return byzfl.GeometricMedian(nu=knobs["nu"], T=knobs["steps"])
        case "centered_clipping":
            return lambda x: byzfl.CenteredClipping(L=1, tau=knobs["tau"])(x)
        case "nnm_trimmed_mean":
            mix, trim = byzfl.NNM(f), byzfl.TrMean(f)
            return lambda x: trim(mix(x))
    raise Skip(f"byzfl has no {rule}")


def setup_rule(case, backend):
    x = np.load(case["data"])["x"]
    n, d = x.shape
    if case["rule"] == "nnm_trimmed_mean" and n * (n - case["f"]) * d * 4 > 4e9:
        raise Skip(f"its NNM holds n (n - f) d floats: {n * (n - case['f']) * d * 4 / 1e9:.0f} GB")
    if backend == "numpy" and case["rule"] in ("krum", "multi_krum") and n * n * d > 2e9:
        raise Skip("scipy's cdist takes tens of seconds here")
    x = torch.from_numpy(x) if backend == "torch" else x
    rule, last = aggregator(case["rule"], case["f"], case["knobs"]), {}

    def step(count):
        with torch.no_grad():
            for _ in range(count):
                last["y"] = rule(x)
        return count

    return step, lambda: {"y": np.asarray(last["y"])}


class MLP(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(64, 64), torch.nn.Linear(64, 10)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))

    def named(self):
        return [self.first, self.second]


class CNN(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(1, 8, 3, padding=1), torch.nn.Conv2d(8, 16, 3, padding=1)
        self.last, self.pool = torch.nn.Linear(256, 10), torch.nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool(torch.relu(self.first(x.view(-1, 1, 8, 8))))
        return self.last(torch.relu(self.second(x)).flatten(1))

    def named(self):
        return [self.first, self.second, self.last]


models.BenchmarkMLP, models.BenchmarkCNN = MLP, CNN


def to_torch(w):
    """A kernel `[h, w, in, out]` or a matrix `[in, out]` in torch's order; both flatten images as `[c, h, w]`."""
    return w.transpose(3, 2, 0, 1) if w.ndim == 4 else w.T


def from_torch(w):
    """The inverse of `to_torch`."""
    return w.transpose(2, 3, 1, 0) if w.ndim == 4 else w.T


class Examples(torch.utils.data.Dataset):
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        return self.x[rows], self.y[rows]


class Whole(torch.utils.data.Sampler):
    """All examples, every time: no sampling, for the comparison of results."""

    def __init__(self, size):
        self.rows = list(range(size))

    def __iter__(self):
        while True:
            yield self.rows


def setup_round(case):
    data = np.load(case["data"])
    n, f = case["n"], case["f"]
    x, y = torch.from_numpy(data["x"]), torch.from_numpy(data["y"]).long()
    sets = [Examples(x[rows], y[rows]) for rows in torch.from_numpy(data["indices"]).long()[: n - f]]

    def loader(examples):
        if case["sampling"]:
            order = torch.utils.data.RandomSampler(examples)
            sampler = torch.utils.data.BatchSampler(order, case["batch"], drop_last=True)
        else:
            sampler = Whole(len(examples))
        return torch.utils.data.DataLoader(examples, sampler=sampler, batch_size=None)

    common = {
        "model_name": "BenchmarkCNN" if case["model"] == "cnn" else "BenchmarkMLP",
        "device": "cpu",
        "optimizer_name": "SGD",
        "learning_rate": 0.1,
        "weight_decay": 0.0,
        "milestones": [10**9],
        "learning_rate_decay": 1.0,
    }
    client = common | {
        "loss_name": "CrossEntropyLoss",
        "LabelFlipping": False,
        "momentum": 0.9,
        "nb_labels": 10,
        "store_per_client_metrics": False,
    }
    clients = [byzfl.Client(client | {"training_dataloader": loader(examples)}) for examples in sets]
    names = {"mean": "Average", "trimmed_mean": "TrMean", "multi_krum": "MultiKrum"}
    rule = {"name": names[case["rule"]], "parameters": {} if case["rule"] == "mean" else {"f": f}}
    server = byzfl.Server(common | {"test_loader": loader(sets[0]), "aggregator_info": rule, "pre_agg_list": []})
    attack = {"sign_flip": ("SignFlipping", {}), "alie": ("ALittleIsEnough", {"tau": 1.5})}[case["attack"]]
    byzantine = byzfl.ByzantineClient({"name": attack[0], "f": f, "parameters": attack[1]})
    with torch.no_grad():
        for i, layer in enumerate(server.model.named()):
            layer.weight.copy_(torch.from_numpy(to_torch(data[f"w{i}"]).copy()))
            layer.bias.copy_(torch.from_numpy(data[f"b{i}"]))

    def spread():
        model = server.get_dict_parameters()
        for one in clients:
            one.set_model_state(model)

    spread()

    def step(count):
        for _ in range(count):
            for one in clients:
                one.compute_gradients()
            honest = [one.get_flat_gradients_with_momentum() for one in clients]
            server.update_model_with_gradients(honest + byzantine.apply_attack(honest))
            spread()
        return count

    def result():
        layers = enumerate(server.model.named())
        pairs = [(i, layer.weight.detach().numpy(), layer.bias.detach().numpy()) for i, layer in layers]
        return {f"w{i}": from_torch(w) for i, w, _ in pairs} | {f"b{i}": b for i, _, b in pairs}

    return step, result


def setup(case):
    backend = sys.argv[1]
    if case["kind"] == "rule":
        return setup_rule(case, backend)
    if backend == "numpy":
        raise Skip("its training runs on torch")
    return setup_round(case)


if __name__ == "__main__":
    serve(setup, {"byzfl": importlib.metadata.version("byzfl"), "torch": torch.__version__})
