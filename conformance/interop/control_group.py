# SPDX-License-Identifier: Apache-2.0
"""A control group of our own with a limit of memory, below the one we are in; version 1 or 2."""

import os
import random
from pathlib import Path


class NoControlGroup(Exception):
    """The system has none, or does not let us make one."""


class ControlGroup:
    """`with ControlGroup(limit) as group`: processes that call `group.enter` share `limit` bytes."""

    def __init__(self, limit):
        parent, self.version = own_group()
        self.path = parent / f"hind-{os.getpid()}-{random.randrange(1 << 32):x}"
        self.limit = limit

    def __enter__(self):
        try:
            self.path.mkdir()
        except OSError as failure:
            raise NoControlGroup(f"no group can be made: {failure}") from failure
        try:
            name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
            (self.path / name).write_text(str(self.limit), encoding="ascii")
        except OSError as failure:
            self.path.rmdir()
            raise NoControlGroup(f"the memory of a group cannot be limited: {failure}") from failure
        return self

    def __exit__(self, *_):
        self.path.rmdir()

    def enter(self):
        """Moves the calling process into the group."""
        (self.path / "cgroup.procs").write_text("0", encoding="ascii")

    def kills(self):
        """How many processes the kernel has ended for want of memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return self.numbers(name).get("oom_kill", 0)

    def usage(self):
        """Bytes charged to the group, the page cache included; and what of it belongs to processes."""
        name = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        owned = "anon" if self.version == 2 else "rss"
        return int((self.path / name).read_text(encoding="ascii")), self.numbers("memory.stat")[owned]

    def numbers(self, name):
        lines = (self.path / name).read_text(encoding="ascii").splitlines()
        return {key: int(value) for key, value in (line.split()[:2] for line in lines)}


def own_group():
    """The group this process is in that can limit memory, and the version of control groups it is of."""
    lines = Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    groups = {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()]
    for version, kind in [(1, "cgroup"), (2, "cgroup2")]:
        for mount in mounts:
            after = mount[mount.index("-") + 1:]
            if after[0] != kind or (version == 1 and "memory" not in after[2].split(",")):
                continue
            group = next((path for name, path in groups.items() if "memory" in name.split(",")), None)
            group = group if version == 1 else groups.get("")
            if group is None:
                continue
            group = Path(mount[4]) / os.path.relpath(group, mount[3])
            limits = "memory.limit_in_bytes" if version == 1 else "cgroup.procs"
            if (group / limits).exists():
                return group, version
    raise NoControlGroup("there is no control group with memory here")
