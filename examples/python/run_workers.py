#!/usr/bin/python3
"""Shows what a second worker brings: one worker, then two, with equal inner steps per worker, on the loop of train_workers.py.

Starts a server in this process and the workers in processes of their own, as on several machines. Succeeds if two workers end with
a lower held-out loss than one, and if train_workers.py differs from the plain loop in fewer than 12 lines.
"""

import difflib
import os
import subprocess
import sys

import tideway

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 200
SHAPES = [(64, 2), (64,), (64, 64), (64,), (3, 64), (3,)]


def initial():
    """The parameters that train_plain.py begins with."""
    import torch
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(2, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64),
                               torch.nn.Tanh(), torch.nn.Linear(64, 3)).parameters()


def held_out_loss(workers):
    """The mean of what the workers' models have at their ends."""
    with tideway.Server(tideway.Layout(SHAPES), initial(), outer_optimizer="sgd:lr=0.9", inner_steps=20,
                        dylu=False, workers_to_begin=workers) as server:
        programs = [subprocess.Popen([sys.executable, os.path.join(HERE, "train_workers.py"),
                                      str(worker), str(STEPS), server.address],
                                     stdout=subprocess.PIPE, text=True)
                    for worker in range(workers)]
        losses = [float(program.communicate(timeout=100)[0]) for program in programs]
        steps = server.stats()["steps_finished"]
    assert steps == workers * STEPS, f"the server counted {steps} inner steps"
    return sum(losses) / workers


def changed_lines():
    texts = []
    for name in ("train_plain.py", "train_workers.py"):
        with open(os.path.join(HERE, name), encoding="utf-8") as file:
            texts.append(file.read().splitlines())
    return sum(line[0] in "+-" and line[:3] not in ("+++", "---")
               for line in difflib.unified_diff(*texts, lineterm=""))


def main():
    one, two = held_out_loss(1), held_out_loss(2)
    print(f"1 worker:  held-out loss {one:.4f} after {STEPS} inner steps")
    print(f"2 workers: held-out loss {two:.4f} after {STEPS} inner steps each")
    print(f"train_workers.py differs from train_plain.py in {changed_lines()} lines")
    return 0 if two < one and changed_lines() < 12 else 1


if __name__ == "__main__":
    sys.exit(main())
