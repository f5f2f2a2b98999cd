"""An ordinary PyTorch loop: a small network learns to tell three noisy spirals apart. train_workers.py is the same loop, shared."""

import sys

import torch

torch.set_num_threads(1)
seed, steps = int(sys.argv[1]), int(sys.argv[2])


def batch(size, generator):
    """Points on three arms, and which arm each lies on."""
    arm = torch.randint(3, (size,), generator=generator)
    along = torch.rand(size, generator=generator)
    angle = 5 * along + arm * 2.094 + 0.15 * torch.randn(size, generator=generator)
    return torch.stack([along * angle.cos(), along * angle.sin()], 1) * 2, arm


torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(2, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64),
                            torch.nn.Tanh(), torch.nn.Linear(64, 3))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
generator = torch.Generator().manual_seed(seed)
for step in range(steps):
    points, arms = batch(32, generator)
    loss = torch.nn.functional.cross_entropy(model(points), arms)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    points, arms = batch(4000, torch.Generator().manual_seed(12345))
    print(torch.nn.functional.cross_entropy(model(points), arms).item())
