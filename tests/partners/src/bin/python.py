import fcntl
import mmap
import os
import socket
import sys

peer = socket.socket(fileno=0)

# A file that cannot be changed.
_, [theirs], flags, _ = socket.recv_fds(peer, 1, 1)
assert flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) == 0, flags
size = os.fstat(theirs).st_size
for change in (
    lambda: os.write(theirs, b"x"),
    lambda: os.pwrite(theirs, b"x", 0),
    lambda: os.ftruncate(theirs, 0),
    lambda: os.ftruncate(theirs, size + 1),
    lambda: mmap.mmap(theirs, size),
):
    try:
        change()
    except PermissionError:
        pass
    else:
        raise AssertionError("it can be changed")
with mmap.mmap(theirs, size, prot=mmap.PROT_READ) as mapped:
    content = mapped[:]
assert os.pread(theirs, size + 1, 0) == content
sys.stdout.buffer.write(content)


def memory_file(name, seals):
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


# One that is sealed, and one that is not.
immutable = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
for name, seals in ("sealed", immutable), ("unsealed", 0):
    socket.send_fds(peer, [b"!"], [memory_file(name, seals)])
