"""train_plain.py with the lines that let several workers train one model: they share the server whose address is given."""

import sys

import pictures
import tideway
import torch

torch.set_num_threads(1)
worker, steps = int(sys.argv[1]), int(sys.argv[2])

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(pictures.PIXELS, 64), torch.nn.ReLU(),
                            torch.nn.Linear(64, pictures.CLASSES))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
inputs, labels = pictures.of_worker(worker)
generator = torch.Generator().manual_seed(worker)
sync = tideway.LocalSGD(model.parameters(), tideway.Client(sys.argv[3], worker=f"worker-{worker}"), every=20)
for step in range(steps):
    batch = torch.randint(len(labels), (32,), generator=generator)
    loss = torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    sync.step(loss)

with torch.no_grad():
    inputs, labels = pictures.unseen()
    print(torch.nn.functional.cross_entropy(model(inputs), labels).item())
