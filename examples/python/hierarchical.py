#!/usr/bin/python3
"""Groups of machines: synchronous data parallelism inside a group, where links are quick, and Tideway between groups, where they are not.

Inside a group PyTorch's DistributedDataParallel takes the mean of all gradients in every step, over gloo. The first member of each
group is its worker at the server: every 20 steps it exchanges what the group has learned, and gives what it pulled to the others. No
group waits for another. Here a group is two processes. Succeeds if two groups end with a lower loss on unseen pictures than one, with
as many inner steps per group, and if the members of a group end with the same parameters.
"""

import datetime
import multiprocessing
import multiprocessing.connection
import os
import sys
import tempfile

import pictures
import tideway
import torch
import torch.distributed

MEMBERS, STEPS, EVERY = 2, 160, 20
OWN = 150  # pictures of each process


def new_model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(pictures.PIXELS, 64), torch.nn.ReLU(),
                               torch.nn.Linear(64, pictures.CLASSES))


def member(group, rank, meeting, address):
    """What each process of a group runs: `meeting` is where they find each other, `address` the server's."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank,
                                         world_size=MEMBERS,
                                         timeout=datetime.timedelta(seconds=60))
    model = new_model()
    if rank == 0:
        client = tideway.Client(address, worker=f"group-{group}", codec_up="int8")
        sync = tideway.LocalSGD(model.parameters(), client, every=EVERY)
    # Gives the first member's parameters, which are the server's by now, to all.
    parallel = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    inputs, labels = pictures.of_worker(group * MEMBERS + rank)
    generator = torch.Generator().manual_seed(group * MEMBERS + rank)
    for step in range(1, STEPS + 1):
        batch = torch.randint(OWN, (32,), generator=generator)
        loss = torch.nn.functional.cross_entropy(parallel(inputs[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if rank == 0:
            sync.step(loss)
        if step % EVERY == 0:
            for parameter in model.parameters():
                torch.distributed.broadcast(parameter.data, 0)
    if rank == 0:
        sync.close()
    own = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    all_of_group = [torch.empty_like(own) for _ in range(MEMBERS)]
    torch.distributed.all_gather(all_of_group, own)
    assert all(torch.equal(other, own) for other in all_of_group), "the group's members differ"


def wait_for(processes):
    """Ends all of them once one has failed, since the others would wait for it."""
    waiting = {process.sentinel: process for process in processes}
    while waiting:
        for sentinel in multiprocessing.connection.wait(list(waiting)):
            process = waiting.pop(sentinel)
            process.join()
            if process.exitcode != 0:
                for other in waiting.values():
                    other.terminate()
                sys.exit(f"{process.name} ended with {process.exitcode}")


def train(groups):
    """The loss on unseen pictures of the model that so many groups make."""
    model = new_model()
    with tempfile.TemporaryDirectory() as folder, \
            tideway.Server(model.parameters(), model.parameters(), outer_optimizer=f"sgd:lr={1 / groups}",
                           inner_steps=EVERY, dylu=False, workers_to_begin=groups) as server:
        processes = [
            multiprocessing.get_context("fork").Process(
                target=member, name=f"member {rank} of group {group}",
                args=(group, rank, os.path.join(folder, str(group)), server.address))
            for group in range(groups) for rank in range(MEMBERS)
        ]
        for process in processes:
            process.start()
        wait_for(processes)
        stats = server.stats()
        server.read(list(model.parameters()))
    assert stats["steps_finished"] == groups * STEPS, f"the server counted {stats['steps_finished']}"
    inputs, labels = pictures.unseen()
    with torch.no_grad():
        return torch.nn.functional.cross_entropy(model(inputs), labels).item()


def main():
    torch.set_num_threads(1)
    print(f"{pictures.source()}: {OWN} per process, {STEPS} inner steps")
    losses = [train(groups) for groups in (1, 2)]
    print(f"1 group of {MEMBERS}:  loss {losses[0]:.4f} on unseen pictures")
    print(f"2 groups of {MEMBERS}: loss {losses[1]:.4f}")
    return 0 if losses[1] < losses[0] else 1


if __name__ == "__main__":
    sys.exit(main())
