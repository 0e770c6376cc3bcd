//! Claims about loading another kernel.
//!
//! A loaded kernel belongs to the whole machine. So all claims but those about permissions run
//! only if the machine is the suite's own. No claim depends on what another one left loaded. The
//! driver that is process 1 claims that the loaded kernel runs.

use crate::{Stop, Verdict, World, kernel, raw, world};
use core::ffi::CStr;
use owned_memfd::{
    Errno, OwnedMemFd, SealedMemFd,
    boot::{BootError, kexec_file_load},
};
use rustix::fs::OFlags;

claims!(
    a_kernel_is_loaded_with_an_initrd,
    a_kernel_is_loaded_without_an_initrd,
    a_kernel_that_is_refused_leaves_the_one_before,
    a_kernel_that_is_open_for_writing_elsewhere_is_etxtbsy,
    an_initrd_that_is_open_for_writing_elsewhere_is_etxtbsy,
    an_empty_initrd_is_einval,
    a_kernel_that_is_not_open_for_reading_is_ebadf,
    an_empty_kernel_is_einval,
    a_kernel_of_8_gib_is_efbig,
    an_initrd_of_8_gib_is_efbig,
    a_command_line_that_is_too_long_is_einval,
    what_is_no_kernel_is_enoexec_or_einval,
    no_kernel_is_loaded_without_privilege,
    no_kernel_is_loaded_by_a_kernel_that_cannot,
);

/// A kernel for this machine, if its owner has put one there.
const KERNEL: &CStr = c"/boot/vmlinuz";
const COMMAND_LINE: &CStr = c"panic=-1";

// The reasons for which claims are skipped.
pub(crate) const NO_KERNEL: &str = "there is no /boot/vmlinuz";
pub(crate) const ANY_LENGTH: &str = "only on x86_64 has a kernel's header the length that it takes";
pub(crate) const KEXEC: &str = "this kernel has kexec_file_load";

/// Unloads a loaded kernel. Skips the claim if the machine must not change.
fn ready(world: &World) -> Verdict {
    needs!(world.machine, world::NO_OWN_MACHINE);
    needs!(world.kexec, world::NO_KEXEC);
    ok!(raw::unload_kernel());
    same!(is_loaded(), Ok(false));
    Ok(())
}

/// A memory file with a kernel, while no kernel is loaded.
fn kernel(world: &World) -> Result<SealedMemFd, Stop> {
    ready(world)?;
    let Ok(source) = kernel::open(KERNEL, OFlags::RDONLY) else {
        return Err(Stop::Skipped(NO_KERNEL));
    };
    let file = ok!(kernel::sealable());
    ok!(file.copy_from(source, u64::MAX));
    Ok(ok!(file.seal()))
}

/// An initrd. No kernel looks into it before it runs.
fn initrd() -> Result<OwnedMemFd, Errno> {
    kernel::holding(&[0; 512])
}

fn is_loaded() -> Result<bool, Errno> {
    Ok(kernel::read_number(c"/sys/kernel/kexec_loaded")? != 0)
}

/// Loading the kernel fails for this reason.
fn is_refused(kernel: &SealedMemFd, initrd: Option<&SealedMemFd>, expected: Errno) -> Verdict {
    same!(
        kexec_file_load(kernel, initrd, COMMAND_LINE),
        Err(expected.into())
    );
    same!(is_loaded(), Ok(false));
    Ok(())
}

fn a_kernel_is_loaded_with_an_initrd(world: &World) -> Verdict {
    let kernel = kernel(world)?;
    let initrd = ok!(ok!(initrd()).seal());
    same!(
        kexec_file_load(&kernel, Some(&initrd), COMMAND_LINE),
        Ok(())
    );
    same!(is_loaded(), Ok(true));
    Ok(())
}

fn a_kernel_is_loaded_without_an_initrd(world: &World) -> Verdict {
    let kernel = kernel(world)?;
    same!(kexec_file_load(&kernel, None, COMMAND_LINE), Ok(()));
    same!(is_loaded(), Ok(true));
    Ok(())
}

fn a_kernel_that_is_refused_leaves_the_one_before(world: &World) -> Verdict {
    let kernel = kernel(world)?;
    // The command line can be empty.
    same!(kexec_file_load(&kernel, None, c""), Ok(()));
    let other = ok!(ok!(kernel::holding(b"no kernel")).seal());
    holds!(kexec_file_load(&other, None, COMMAND_LINE).is_err());
    same!(is_loaded(), Ok(true));
    Ok(())
}

fn a_kernel_that_is_open_for_writing_elsewhere_is_etxtbsy(world: &World) -> Verdict {
    let file = kernel(world)?.into_memfd();
    let writer = ok!(kernel::reopen(&file, OFlags::WRONLY));
    let kernel = ok!(file.seal());
    is_refused(&kernel, None, Errno::ETXTBSY)?;
    drop(writer);
    Ok(())
}

fn an_initrd_that_is_open_for_writing_elsewhere_is_etxtbsy(world: &World) -> Verdict {
    let kernel = kernel(world)?;
    let file = ok!(initrd());
    let writer = ok!(kernel::reopen(&file, OFlags::WRONLY));
    let initrd = ok!(file.seal());
    is_refused(&kernel, Some(&initrd), Errno::ETXTBSY)?;
    drop(writer);
    Ok(())
}

fn an_empty_initrd_is_einval(world: &World) -> Verdict {
    let kernel = kernel(world)?;
    let initrd = ok!(SealedMemFd::copy_from_slice(c"initrd", b""));
    is_refused(&kernel, Some(&initrd), Errno::EINVAL)
}

fn a_kernel_that_is_not_open_for_reading_is_ebadf(world: &World) -> Verdict {
    ready(world)?;
    let file = ok!(kernel::holding(b"no kernel"));
    let writer = raw::disguise(ok!(kernel::reopen(&file, OFlags::WRONLY)));
    let kernel = ok!(writer.seal());
    is_refused(&kernel, None, Errno::EBADF)
}

fn an_empty_kernel_is_einval(world: &World) -> Verdict {
    ready(world)?;
    let kernel = ok!(SealedMemFd::copy_from_slice(c"kernel", b""));
    is_refused(&kernel, None, Errno::EINVAL)
}

/// A hole of 8 GiB, which takes no memory. Older kernels reject 2 GiB already.
fn too_large() -> Result<SealedMemFd, Errno> {
    kernel::allow_any_length()?;
    let file = kernel::sealable()?;
    file.set_len(1 << 33)?;
    Ok(file.seal()?)
}

fn a_kernel_of_8_gib_is_efbig(world: &World) -> Verdict {
    ready(world)?;
    let kernel = ok!(too_large());
    is_refused(&kernel, None, Errno::EFBIG)
}

fn an_initrd_of_8_gib_is_efbig(world: &World) -> Verdict {
    let kernel = kernel(world)?;
    let initrd = ok!(too_large());
    is_refused(&kernel, Some(&initrd), Errno::EFBIG)
}

fn a_command_line_that_is_too_long_is_einval(world: &World) -> Verdict {
    needs!(cfg!(target_arch = "x86_64"), ANY_LENGTH);
    let kernel = kernel(world)?;
    let mut line = [b'x'; 4096];
    line[4095] = 0;
    let line = ok!(CStr::from_bytes_with_nul(&line).map_err(|_| Errno::EINVAL));
    same!(
        kexec_file_load(&kernel, None, line),
        Err(Errno::EINVAL.into())
    );
    same!(is_loaded(), Ok(false));
    Ok(())
}

fn what_is_no_kernel_is_enoexec_or_einval(world: &World) -> Verdict {
    ready(world)?;
    // These include the magic numbers of a bzImage, an Image, an ELF file and a compressed file.
    let starts: [&[u8]; 5] = [b"no kernel", b"MZ", b"\x7fELF", b"\x1f\x8b\x08", b"MZ@\xfa"];
    for start in starts {
        for len in [start.len(), 100_000] {
            let file = ok!(kernel::holding(start));
            ok!(file.set_len(len as u64));
            let kernel = ok!(file.seal());
            refused!(
                kexec_file_load(&kernel, None, COMMAND_LINE),
                BootError::Kernel(Errno::ENOEXEC | Errno::EINVAL)
            );
        }
    }
    same!(is_loaded(), Ok(false));
    Ok(())
}

fn no_kernel_is_loaded_without_privilege(world: &World) -> Verdict {
    needs!(world.kexec, world::NO_KEXEC);
    let kernel = ok!(SealedMemFd::copy_from_slice(c"kernel", b"no kernel"));
    ok!(kernel::renounce_privileges());
    same!(
        kexec_file_load(&kernel, None, COMMAND_LINE),
        Err(Errno::EPERM.into())
    );
    same!(
        kexec_file_load(&kernel, Some(&kernel), COMMAND_LINE),
        Err(Errno::EPERM.into())
    );
    Ok(())
}

fn no_kernel_is_loaded_by_a_kernel_that_cannot(world: &World) -> Verdict {
    needs!(!world.kexec, KEXEC);
    let kernel = ok!(SealedMemFd::copy_from_slice(c"kernel", b"no kernel"));
    same!(
        kexec_file_load(&kernel, None, COMMAND_LINE),
        Err(Errno::ENOSYS.into())
    );
    Ok(())
}
