//! What early boot gives the kernel. None of these files is a module or a kernel.

use super::{PAGE, SMALL, operations};
use crate::{
    checks::{Named, holds, ready, same},
    orders::Verdict,
    trial::Trial,
};
use owned_memfd::{
    Errno,
    boot::{self, LoopDevice},
    fd::{AsRawFd, OwnedFd},
};

operations! { "boot":
    load_module, load_sealed_module, kexec_file_load, kexec_file_load_without_initrd, attach_loop,
    attach_sealed_loop,
}

/// What this machine may say of anything.
const NOT_HERE: [Named; 3] = [
    Named::Always(
        Errno::EPERM,
        "the process may not do it, or the kernel is locked down",
    ),
    Named::Always(Errno::ENOSYS, "the kernel is built without it"),
    Named::Always(Errno::ENOEXEC, "it is neither a module nor a kernel"),
];
const UNPROVEN: Named = Named::Fault(Errno::EFBIG, "the file may be longer than was proven");
const THEY_WRITE: [Named; 2] = [
    Named::Race(Errno::ETXTBSY, "another process has it open for writing"),
    Named::Race(Errno::EINVAL, "another process has cut the file to nothing"),
];

fn load_module(trial: &mut Trial) -> Verdict {
    let file = trial.file(SMALL)?;
    let loaded = trial.call(|| file.load_module(c"name=value"));
    trial.judge(loaded, &[&NOT_HERE[..], &THEY_WRITE].concat(), |()| {
        holds(trial.has_lie(), || "that is no module".into())
    })
}

fn load_sealed_module(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(SMALL)?;
    let loaded = trial.call(|| sealed.load_module(c"name=value"));
    trial.judge(
        loaded,
        &[&NOT_HERE[..], &THEY_WRITE, &[UNPROVEN]].concat(),
        |()| holds(trial.has_lie(), || "that is no module".into()),
    )
}

fn kexec(trial: &mut Trial, has_initrd: bool) -> Verdict {
    let sealed = trial.sealed(&PAGE)?;
    let initrd = has_initrd.then_some(&sealed);
    let loaded = trial.call(|| boot::kexec_file_load(&sealed, initrd, c"console=ttyS0"));
    trial.judge(
        loaded,
        &[&NOT_HERE[..], &THEY_WRITE, &[UNPROVEN]].concat(),
        |()| holds(trial.has_lie(), || "that is no kernel".into()),
    )
}

fn kexec_file_load(trial: &mut Trial) -> Verdict {
    kexec(trial, true)
}

fn kexec_file_load_without_initrd(trial: &mut Trial) -> Verdict {
    kexec(trial, false)
}

/// What a machine without loop devices, or where they are somebody else's, returns.
const NO_LOOP: [Named; 7] = [
    Named::Race(
        Errno::ENOTTY,
        "another file has been put in the place of a device",
    ),
    Named::Always(Errno::EPERM, "the process may not open it"),
    Named::Always(Errno::EACCES, "the process may not open it"),
    Named::Always(Errno::ENOENT, "there are none in /dev"),
    Named::Always(Errno::ENODEV, "the kernel has none"),
    Named::Always(Errno::ENXIO, "the kernel has none, or others were faster"),
    Named::Always(Errno::EBUSY, "others were faster"),
];

/// The device has what the file has, in whole sectors, and goes when it is closed.
fn is_attached(trial: &mut Trial, device: LoopDevice) -> Verdict {
    let (number, path) = trial.call(|| (device.number(), device.path()));
    same(
        path.to_string_lossy(),
        format!("/dev/loop{number}"),
        "the path",
    )?;
    let fd = device.as_raw_fd();
    let device = trial.call(|| OwnedFd::from(device));
    same(device.as_raw_fd(), fd, "the descriptor of the device")?;
    let size = ready(std::fs::read_to_string(format!(
        "/sys/block/loop{number}/size"
    )))?;
    holds(
        size.trim() == "8" || trial.may_differ() || trial.has_lie(),
        || format!("the device has {} sectors", size.trim()),
    )
}

fn attach_loop(trial: &mut Trial) -> Verdict {
    let file = trial.file(&PAGE)?;
    match trial.call(|| file.attach_loop()) {
        Ok(device) => is_attached(trial, device),
        Err(error) => trial.explains(error, &NO_LOOP),
    }
}

fn attach_sealed_loop(trial: &mut Trial) -> Verdict {
    let sealed = trial.sealed(&PAGE)?;
    match trial.call(|| sealed.attach_loop()) {
        Ok(device) => is_attached(trial, device),
        Err(error) => trial.explains(error, &[&NO_LOOP[..], &[UNPROVEN]].concat()),
    }
}
