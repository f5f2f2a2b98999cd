"""An ordinary PyTorch loop: a small network learns to tell clothes apart. train_workers.py is the same loop, shared."""

import sys

import pictures
import torch

torch.set_num_threads(1)
worker, steps = int(sys.argv[1]), int(sys.argv[2])

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(pictures.PIXELS, 64), torch.nn.ReLU(),
                            torch.nn.Linear(64, pictures.CLASSES))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
inputs, labels = pictures.of_worker(worker)
generator = torch.Generator().manual_seed(worker)
for step in range(steps):
    batch = torch.randint(len(labels), (32,), generator=generator)
    loss = torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    inputs, labels = pictures.unseen()
    print(torch.nn.functional.cross_entropy(model(inputs), labels).item())
