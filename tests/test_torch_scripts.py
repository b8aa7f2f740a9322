"""Scripts as people write them for PyTorch, run as they stand and after the one substitution.

Each script reports numbers with `log`; its data and weights come from NumPy. Under minigrad alone
the script has to run to its end; where PyTorch is installed the numbers must agree.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

import numpy as np
import pytest

# what scripts get besides their own imports
PRELUDE = '''
import numpy as np
import torch, torch.nn as nn, torch.nn.functional as F, torch.optim as optim
rng = np.random.default_rng(0)
torch.set_default_dtype(torch.float64)
def randn(*size): return torch.from_numpy(rng.standard_normal(size))
def rand(*size): return torch.from_numpy(rng.random(size))
def labels(n, classes): return torch.from_numpy(rng.integers(0, classes, n))
def fill(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.from_numpy(np.asarray(rng.standard_normal(tuple(p.shape))))
            p.copy_(noise * (2 / p[0].numel()) ** 0.5 if p.dim() > 1 else 1 + 0.1 * noise)
    return model
def grads(model): log("gradients", *[p.grad for p in model.parameters()])
'''

MNIST = '''
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset

class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 1)
        self.conv2 = nn.Conv2d(4, 8, 3, 1)
        self.dropout1 = nn.Dropout(0.0)
        self.fc1 = nn.Linear(8 * 16, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = self.dropout1(torch.flatten(x, 1))
        return F.log_softmax(self.fc1(x), dim=1)

use_cuda = torch.cuda.is_available() and False
torch.manual_seed(1)
device = torch.device("cuda" if use_cuda else "cpu")
kwargs = {"num_workers": 1, "pin_memory": True} if use_cuda else {}
data = TensorDataset(randn(24, 1, 12, 12), labels(24, 10))
loader = DataLoader(data, batch_size=8, **kwargs)
model = fill(Net()).to(device)
optimizer = optim.Adadelta(model.parameters(), lr=1.0)
scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
for epoch in range(1, 3):
    model.train()
    for batch_idx, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        log("loss", f"{100. * batch_idx / len(loader):.0f}% {loss.item():.6f}", loss)
    model.eval()
    test_loss = correct = 0
    with torch.no_grad():
        for data, target in loader:
            output = model(data)
            test_loss += F.nll_loss(output, target, reduction="sum").item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
    log("test", test_loss / len(loader.dataset), correct)
    scheduler.step()
log("model", str(model), str(optimizer))
'''

RESNET = '''
from functools import partial
from typing import Callable, Optional
from torch import Tensor

class BasicBlock(nn.Module):
    expansion: int = 1

    def __init__(self, inplanes: int, planes: int, stride: int = 1,
                 downsample: Optional[nn.Module] = None,
                 norm_layer: Optional[Callable[..., nn.Module]] = None) -> None:
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)

def net(norm):
    down = nn.Sequential(nn.Conv2d(8, 16, 1, 2, bias=False), norm(16))
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, 2, 3, bias=False), norm(8), nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1), BasicBlock(8, 8, norm_layer=norm),
        BasicBlock(8, 16, 2, down, norm), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(),
        nn.Linear(16, 10))

for norm in (nn.BatchNorm2d, partial(nn.GroupNorm, 4)):
    model = fill(net(norm)).to(memory_format=torch.channels_last)
    decay = [p for _, p in model.named_parameters() if p.ndim > 1]
    rest = [p for _, p in model.named_parameters() if p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": 5e-4}, {"params": rest, "weight_decay": 0.0}]
    opt = torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=3)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    for step in range(3):
        x, y = randn(4, 3, 32, 32), labels(4, 10)
        with torch.autocast("cpu", enabled=False):
            loss = nn.CrossEntropyLoss(label_smoothing=0.1)(model(x), y)
        opt.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scaler.unscale_(opt)
        norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        scaler.step(opt)
        scaler.update()
        sched.step()
        log("step", loss, norm, sched.get_last_lr()[0])
    grads(model)
    log("buffers", *[b for _, b in model.named_buffers()], str(list(model.state_dict())))
    model.eval()
    with torch.inference_mode():
        log("eval", model(x).topk(3, 1)[0])
'''

UNET = '''
class DoubleConv(nn.Sequential):
    def __init__(self, i, o):
        super().__init__(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o),
                         nn.ReLU(inplace=True))

class UNet(nn.Module):
    def __init__(self, bilinear):
        super().__init__()
        self.inc, self.down = DoubleConv(3, 4), nn.Sequential(nn.MaxPool2d(2), DoubleConv(4, 8))
        self.up = (nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True) if bilinear
                   else nn.ConvTranspose2d(8, 8, kernel_size=2, stride=2))
        self.conv, self.outc = DoubleConv(12, 4), nn.Conv2d(4, 3, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.up(self.down(x1))
        dy, dx = x1.size()[2] - x2.size()[2], x1.size()[3] - x2.size()[3]
        x2 = F.pad(x2, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.outc(self.conv(torch.cat([x1, x2], dim=1)))

def dice_loss(p, t, eps=1e-6):
    inter = 2 * (p * t).sum(dim=(-1, -2))
    sets = p.sum(dim=(-1, -2)) + t.sum(dim=(-1, -2))
    sets = torch.where(sets == 0, inter, sets)
    return 1 - ((inter + eps) / (sets + eps)).mean()

for bilinear in (True, False):
    m = fill(UNet(bilinear))
    opt = optim.RMSprop(m.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9)
    for _ in range(2):
        x, t = randn(2, 3, 11, 14), labels((2, 11, 14), 3)
        p = m(x)
        loss = F.cross_entropy(p, t)
        onehot = F.one_hot(t, 3).permute(0, 3, 1, 2).to(p.dtype)
        loss += dice_loss(F.softmax(p, dim=1), onehot)
        opt.zero_grad()
        loss.backward()
        opt.step()
        log("loss", loss)
    grads(m)
    conf = torch.bincount((t * 3 + p.argmax(1)).view(-1), minlength=9).reshape(3, 3)
    log("iou", conf, conf.diag() / (conf.sum(0) + conf.sum(1) - conf.diag()))
'''

GAN = '''
from torch.autograd import Variable

def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        m.weight.data.normal_(0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.constant_(m.bias.data, 0)

G = nn.Sequential(nn.ConvTranspose2d(5, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
                  nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False), nn.Tanh())
D = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.InstanceNorm2d(4, affine=True), nn.LeakyReLU(0.2),
                  nn.Flatten(), nn.Linear(64, 1))
G.apply(weights_init), fill(G), fill(D)
optG = optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
optD = optim.Adam(D.parameters(), lr=1e-3, betas=(0.0, 0.9))
criterion = nn.BCEWithLogitsLoss()
for _ in range(2):
    real, noise = Variable(randn(4, 3, 8, 8)), randn(4, 5, 1, 1)
    label = torch.full((4,), 1.0, dtype=torch.float64)
    fake = G(noise)
    errD = criterion(D(real).view(-1), label)
    label = label.clone().fill_(0.0)
    errD = errD + criterion(D(fake.detach()).view(-1), label)
    mixed = (0.3 * real + 0.7 * fake.detach()).requires_grad_(True)
    out = D(mixed)
    g = torch.autograd.grad(outputs=out, inputs=mixed, grad_outputs=torch.ones_like(out),
                            create_graph=True, retain_graph=True)[0]
    gp = ((g.view(g.size(0), -1).norm(2, dim=1) - 1) ** 2).mean()
    optD.zero_grad()
    (errD + 10 * gp).backward()
    optD.step()
    optG.zero_grad()
    errG = criterion(D(fake).view(-1), torch.ones_like(label))
    errG.backward()
    optG.step()
    log("gan", errD, gp, errG)
grads(G), grads(D)
sn = nn.utils.spectral_norm(nn.Conv2d(3, 4, 3))
with torch.no_grad():
    sn.weight_orig.copy_(randn(4, 3, 3, 3)), sn.bias.zero_()
    sn.weight_u.copy_(F.normalize(randn(4), dim=0))
    sn.weight_v.copy_(F.normalize(randn(27), dim=0))
for _ in range(2):
    out = sn(randn(1, 3, 5, 5)).square().sum()
    out.backward()
log("spectral", out, sn.weight_orig.grad, sn.weight_u, str(sorted(sn.state_dict())))
'''

GRADCAM = '''
net = fill(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(4, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(6, 5))).eval()
kept = {}
handles = [net[3].register_forward_hook(lambda m, i, o: kept.update(act=o.detach())),
           net[3].register_full_backward_hook(lambda m, gi, go: kept.update(grad=go[0]))]
x = randn(2, 3, 12, 12)
out = net(x)
net.zero_grad()
out.backward(gradient=torch.zeros_like(out).scatter_(1, out.argmax(1).view(-1, 1), 1.0))
cam = F.relu((kept["grad"].mean(dim=(2, 3), keepdim=True) * kept["act"]).sum(1, keepdim=True))
cam = F.interpolate(cam, size=x.shape[2:], mode="bilinear", align_corners=False)
cam -= cam.amin((2, 3), keepdim=True)
log("cam", cam)
for h in handles:
    h.remove()
relus = [m for m in net.modules() if isinstance(m, nn.ReLU)]
handles = [m.register_full_backward_hook(lambda m, gi, go: (gi[0].clamp(min=0.0),)) for m in relus]
x.requires_grad_(True)
score, index = net(x).max(1)
score.sum().backward()
log("guided", x.grad.abs().max(dim=1)[0], index)
for h in handles:
    h.remove()
target = labels(2, 5)
delta = torch.zeros_like(x, requires_grad=True)
for _ in range(3):
    loss = nn.CrossEntropyLoss()(net(x.detach() + delta), target)
    loss.backward()
    delta.data = (delta + 0.02 * delta.grad.detach().sign()).clamp(-0.05, 0.05)
    delta.grad.zero_()
    log("pgd", loss, delta)
'''

METRIC = '''
conv = nn.Sequential(nn.Conv2d(1, 4, 3), nn.PReLU(), nn.MaxPool2d(2), nn.Flatten(),
                     nn.Linear(64, 6))
m = nn.DataParallel(fill(conv))
opt = torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9)
for _ in range(2):
    a, b, c = (m(randn(6, 1, 10, 10)) for _ in range(3))
    same = labels(6, 2).to(a.dtype) * 2 - 1
    losses = [
        nn.TripletMarginLoss(margin=1.0, p=2)(a, b, c),
        F.triplet_margin_loss(a, b, c, margin=0.5, swap=True),
        nn.MarginRankingLoss(margin=0.1)((a * b).sum(1), (a * c).sum(1), same),
        nn.CosineEmbeddingLoss()(a, b, same),
        F.pairwise_distance(a, b, keepdim=True).mean(),
        nn.SoftMarginLoss()(a, torch.sign(c.detach())),
        torch.cdist(a, b).mean(),
        nn.MultiMarginLoss()(a, labels(6, 6)),
    ]
    opt.zero_grad()
    sum(losses).backward()
    opt.step()
    log("losses", *losses)
grads(m)
z = F.normalize(a.detach(), dim=1)
sim = (z @ z.T / 0.1).masked_fill(torch.eye(6, dtype=torch.bool), float("-inf"))
log("nce", (-sim[torch.arange(6), (torch.arange(6) + 3) % 6] + sim.logsumexp(-1)).mean())
mask = torch.ones(6, 6).fill_diagonal_(0).unsqueeze_(0).squeeze_(0).t_()
log("pairs", mask, z.quantile(0.3, dim=0), torch.combinations(torch.arange(4)), F.pdist(z))
log("patches", randn(1, 2, 6, 6).unfold(2, 3, 2).unfold(3, 3, 2).contiguous().view(1, 2, -1, 9))
theta = randn(2, 2, 3).requires_grad_()
grid = F.affine_grid(theta, (2, 1, 5, 6), align_corners=False)
F.grid_sample(randn(2, 1, 7, 7), grid, align_corners=False).square().sum().backward()
log("grid", theta.grad)
'''

TRICKS = '''
import copy
from torch.optim.swa_utils import AveragedModel, SWALR, update_bn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler, random_split

class Images(Dataset):
    def __init__(self, n):
        self.x, self.y = rng.standard_normal((n, 3, 6, 6)), rng.integers(0, 4, n)
    def __len__(self): return len(self.y)
    def __getitem__(self, i): return {"image": torch.from_numpy(self.x[i]), "label": int(self.y[i])}

class SquareOf(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 2
    @staticmethod
    def backward(ctx, grad_output):
        x, = ctx.saved_tensors
        return 2 * x * grad_output

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.ModuleDict({"a": nn.Conv2d(3, 4, 3), "b": nn.BatchNorm2d(4)})
        self.register_buffer("seen", torch.tensor(0))
        self.scale = nn.Parameter(torch.ones(1, 4, 1, 1))
        self.fc = nn.Linear(4, 4)
    def forward(self, x):
        if self.training:
            self.seen += x.shape[0]
        x = checkpoint(self.body["a"], x, use_reentrant=False)
        for name, layer in self.body.items():
            x = x if name == "a" else layer(x)
        return self.fc(SquareOf.apply(x * self.scale).mean([2, 3]))

@torch.no_grad()
def update_ema(ema, model, decay=0.9):
    for a, b in zip(ema.parameters(), model.parameters()):
        a.mul_(decay).add_(b.data, alpha=1 - decay)

data = Images(20)
train, val = random_split(data, [0.8, 0.2], generator=torch.Generator().manual_seed(0))
model = fill(Net())
ema, swa = copy.deepcopy(model), AveragedModel(model)
opt = optim.AdamW([{"params": model.body.parameters()},
                   {"params": [model.scale, *model.fc.parameters()], "lr": 1e-2}], lr=1e-3)
sched = SWALR(opt, swa_lr=0.05, anneal_epochs=3)
for i, batch in enumerate(DataLoader(data, batch_size=5)):
    x, y = batch["image"], batch["label"]
    lam, index = 0.7, torch.arange(4, -1, -1)
    out = model(lam * x + (1 - lam) * x[index, :])
    loss = (lam * F.cross_entropy(out, y) + (1 - lam) * F.cross_entropy(out, y[index])) / 2
    loss.backward()
    if (i + 1) % 2 == 0:
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        opt.step(), opt.zero_grad(), update_ema(ema, model), swa.update_parameters(model)
        sched.step()
    log("loss", loss, model.seen, opt.param_groups[1]["lr"])
update_bn([b["image"] for b in DataLoader(data, 5)], swa)
log("averages", *ema.parameters(), *swa.parameters(), *swa.module.body.b.buffers())
weights = 1.0 / np.bincount(data.y, minlength=4).clip(1)[data.y]
sampler = WeightedRandomSampler(torch.from_numpy(weights), 20)
log("sampler", len(list(sampler)), len(train), len(val))
for p in model.parameters():
    p.requires_grad = False
model.fc = fill(nn.Linear(model.fc.in_features, 2))
opt = torch.optim.LBFGS(filter(lambda p: p.requires_grad, model.parameters()), lr=0.5, max_iter=4)
def closure():
    opt.zero_grad()
    loss = F.cross_entropy(model.eval()(x), y % 2)
    loss.backward()
    return loss
log("lbfgs", opt.step(closure), opt.step(closure))
log("trained", [n for n, p in model.named_parameters() if p.requires_grad])
missing = model.load_state_dict({"fc.bias": torch.zeros(2), "extra": torch.zeros(1)}, strict=False)
log("keys", missing.missing_keys, missing.unexpected_keys)
'''

SCRIPTS = {
    "mnist": MNIST, "resnet": RESNET, "unet": UNET, "gan": GAN, "gradcam": GRADCAM,
    "metric": METRIC, "tricks": TRICKS,
}  # fmt: skip


def _plain(value: Any) -> Any:
    if hasattr(value, "detach"):
        return np.array(value.detach().numpy())
    return value


def _run(script: str, library: str) -> list[tuple[str, Any]]:
    """What the script logged, as (name, value) in order."""
    seen: list[tuple[str, Any]] = []
    names = {"log": lambda name, *values: seen.extend((name, _plain(v)) for v in values)}
    source = re.sub(r"\btorch\b", library, PRELUDE + script)
    exec(compile(source, f"<script for {library}>", "exec"), {"__name__": "__main__", **names})
    return seen


@pytest.fixture(autouse=True)
def _default_dtypes() -> Any:
    import minigrad

    yield
    minigrad.set_default_dtype(minigrad.float32)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script_runs_after_one_substitution(name: str) -> None:
    seen = _run(SCRIPTS[name], "minigrad")
    numbers = [v for _, v in seen if isinstance(v, (float, np.ndarray))]
    assert numbers and all(np.isfinite(v).all() for v in numbers)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_script_gives_the_numbers_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_default_dtype()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = _run(SCRIPTS[name], "torch")
    finally:
        torch.set_default_dtype(before)
    ours = _run(SCRIPTS[name], "minigrad")
    assert [n for n, _ in ours] == [n for n, _ in theirs]
    for (what, a), (_, b) in zip(ours, theirs):
        if isinstance(b, (float, np.ndarray)):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11, err_msg=what)
        else:
            assert a == b, what


def test_what_cannot_be_said_without_cuda_is_an_error_that_explains() -> None:
    import minigrad

    with pytest.raises(RuntimeError, match="CPU only"):
        minigrad.cuda.get_device_name(0)
    assert not minigrad.amp.is_autocast_available("cuda")


def test_checkpoint_gives_the_same_gradients_as_the_plain_call() -> None:
    import minigrad
    from minigrad.utils.checkpoint import checkpoint, checkpoint_sequential

    x = minigrad.arange(3.0).requires_grad_()
    checkpoint(lambda t: t.exp().sum(), x, use_reentrant=False).backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp(np.arange(3.0)), rtol=1e-6)
    layers = minigrad.nn.Sequential(minigrad.nn.ReLU(), minigrad.nn.Tanh())
    assert minigrad.equal(checkpoint_sequential(layers, 2, x), layers(x))


@pytest.mark.parametrize("remove", [True, False])
def test_weight_norm_computes_the_weight_it_replaces(remove: bool) -> None:
    import minigrad
    from minigrad.nn.utils import remove_weight_norm, weight_norm

    layer = minigrad.nn.Conv2d(2, 3, 2)
    x = minigrad.randn(1, 2, 4, 4)
    before = layer(x)
    weight_norm(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight_g", "weight_v"]
    if remove:
        remove_weight_norm(layer)
        assert sorted(layer.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(
        layer(x).detach().numpy(), before.detach().numpy(), rtol=1e-5, atol=1e-6
    )


def test_shape_changing_methods_keep_the_place_in_the_graph() -> None:
    import minigrad

    w = minigrad.ones(2, 3).requires_grad_()
    y = w * 2
    y.t_().unsqueeze_(0).squeeze_()
    assert y.shape == (3, 2)
    y.add_(1).pow(2).sum().backward()
    assert w.grad is not None and (w.grad == 12).all()
    with pytest.raises(RuntimeError, match="leaf"):
        w.unsqueeze_(0)


def test_state_dicts_from_before_num_batches_tracked_load() -> None:
    import minigrad

    norm = minigrad.nn.BatchNorm2d(2)
    old = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    assert str(norm.load_state_dict(old)) == "<All keys matched successfully>"


def test_cdist_of_many_rows_agrees_with_the_plain_distances() -> None:
    import minigrad

    x = minigrad.randn(30, 4, dtype=minigrad.float64).requires_grad_()
    y = minigrad.randn(3, 4, dtype=minigrad.float64)
    found = minigrad.cdist(x, y)
    plain = (x.unsqueeze(1) - y).norm(dim=2)
    np.testing.assert_allclose(found.detach().numpy(), plain.detach().numpy(), atol=1e-10)
    a, b = (minigrad.autograd.grad(d.sum(), x)[0].numpy() for d in (found, plain))
    np.testing.assert_allclose(a, b, atol=1e-9)
    itself = minigrad.cdist(x, x)
    assert itself.diagonal().abs().max() < 1e-6


@pytest.mark.parametrize("largest", [True, False])
def test_topk_of_many_is_the_start_of_the_order(largest: bool) -> None:
    import minigrad

    x = minigrad.randn(3, 400)
    x[1, 7] = float("nan")
    values, indices = x.topk(5, dim=1, largest=largest)
    order = x.sort(1, descending=largest)
    np.testing.assert_array_equal(values.numpy(), order.values[:, :5].numpy())
    np.testing.assert_array_equal(indices.numpy(), order.indices[:, :5].numpy())


def test_erf_of_large_arrays_is_that_of_small_ones() -> None:
    import minigrad

    x = minigrad.linspace(-7, 7, 5001, dtype=minigrad.float64)
    few = minigrad.cat([part.erf() for part in x.split(1000)])
    np.testing.assert_allclose(x.erf().numpy(), few.numpy(), rtol=1e-15, atol=1e-300)


def test_limits_of_dtypes_are_python_numbers() -> None:
    import minigrad

    assert type(minigrad.finfo(minigrad.float32).eps) is float
    assert minigrad.finfo().bits == 32 and minigrad.iinfo(minigrad.int8).max == 127
    with pytest.raises(TypeError, match="must be floating"):
        minigrad.finfo(minigrad.int64)


def test_anomaly_detection_is_a_context_too() -> None:
    import minigrad

    with (
        minigrad.autograd.set_detect_anomaly(True),
        pytest.raises(RuntimeError, match=r"[Nn]a[Nn]"),
    ):
        minigrad.zeros(1, requires_grad=True).sqrt().mul(0).backward()
    minigrad.zeros(1, requires_grad=True).sqrt().mul(0).backward()


def test_tensor_of_tensors_and_numbers_has_the_dtype_of_the_tensors() -> None:
    import minigrad

    x = minigrad.ones(2)
    assert minigrad.tensor([x[0], 3.0]).dtype == minigrad.float32
    assert minigrad.tensor([x[0].double(), 3.0]).dtype == minigrad.float64
    assert minigrad.tensor([[x[0], x[1]]]).dtype == minigrad.float32
