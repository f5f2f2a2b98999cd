#!/usr/bin/python3
"""Shows what a second worker brings: one worker, then two, with equal inner steps per worker, on the loop of train_workers.py.

Starts a server in this process and the workers in processes of their own, as on several machines. Each worker has pictures that the
other one never sees. Succeeds if two workers end with a lower loss on unseen pictures than one, and if train_workers.py differs from
the plain loop in fewer than 12 lines.
"""

import difflib
import os
import subprocess
import sys

import pictures
import tideway
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 200


def new_model():
    """As train_plain.py begins."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(pictures.PIXELS, 64), torch.nn.ReLU(),
                               torch.nn.Linear(64, pictures.CLASSES))


def train(workers):
    """Loss on unseen pictures, and the share of them that are told right, of the model that so many workers make."""
    model = new_model()
    # Every push moves the model by its share: it becomes the mean of what the workers learn.
    with tideway.Server(model.parameters(), model.parameters(),
                        outer_optimizer=f"sgd:lr={1 / workers}", inner_steps=20,
                        dylu=False, workers_to_begin=workers) as server:
        programs = [subprocess.Popen([sys.executable, os.path.join(HERE, "train_workers.py"),
                                      str(worker), str(STEPS), server.address],
                                     stdout=subprocess.DEVNULL)
                    for worker in range(workers)]
        ends = [program.wait(timeout=100) for program in programs]
        steps = server.stats()["steps_finished"]
        server.read(list(model.parameters()))
    assert ends == [0] * workers, f"the workers ended with {ends}"
    assert steps == workers * STEPS, f"the server counted {steps} inner steps"
    inputs, labels = pictures.unseen()
    with torch.no_grad():
        outputs = model(inputs)
        loss = torch.nn.functional.cross_entropy(outputs, labels).item()
    return loss, (outputs.argmax(1) == labels).float().mean().item()


def changed_lines():
    texts = []
    for name in ("train_plain.py", "train_workers.py"):
        with open(os.path.join(HERE, name), encoding="utf-8") as file:
            texts.append(file.read().splitlines())
    return sum(line[0] in "+-" and line[:3] not in ("+++", "---")
               for line in difflib.unified_diff(*texts, lineterm=""))


def main():
    print(f"{pictures.source()}: {pictures.PER_WORKER} per worker, {STEPS} inner steps each")
    losses = []
    for workers in (1, 2):
        loss, right = train(workers)
        print(f"{workers} worker(s): loss {loss:.4f} on unseen pictures, {100 * right:.1f} % told right")
        losses.append(loss)
    print(f"train_workers.py differs from train_plain.py in {changed_lines()} lines")
    return 0 if losses[1] < losses[0] and changed_lines() < 12 else 1


if __name__ == "__main__":
    sys.exit(main())
