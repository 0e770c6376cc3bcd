import fcntl
import os

import dbus

content = os.urandom(1 << 20)
bus = dbus.SessionBus()
files = bus.get_object("com.example.Files", "/files", introspect=False)
service = dbus.Interface(files, "com.example.Files")

# A file that cannot be changed.
made = service.Make(dbus.ByteArray(content)).take()
assert os.pread(made, len(content) + 1, 0) == content
immutable = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
assert fcntl.fcntl(made, fcntl.F_GET_SEALS) & immutable == immutable
for change in (lambda: os.pwrite(made, b"x", 0), lambda: os.ftruncate(made, 0)):
    try:
        change()
    except PermissionError:
        pass
    else:
        raise AssertionError("it can be changed")

# A file that is sealed, and one that is not yet.
theirs = os.memfd_create("theirs", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
with open(theirs, "wb", closefd=False) as file:
    file.write(content)
try:
    service.Read(dbus.types.UnixFd(theirs))
except dbus.DBusException as error:
    assert "F_SEAL_WRITE" in str(error), error
else:
    raise AssertionError("it is not sealed")
fcntl.fcntl(theirs, fcntl.F_ADD_SEALS, immutable)
assert bytes(service.Read(dbus.types.UnixFd(theirs), byte_arrays=True)) == content
