//! Claims about early boot: modules and block devices from memory files.
//!
//! Modules belong to the whole machine. So all claims about them but those about errors run only if
//! the machine is the suite's own. No claim depends on what another one left loaded: each loads what
//! it needs, and unloads what it is going to load. Loop devices are attached wherever this process
//! may: they go with it.

use crate::{
    Stop, Verdict, World, attacks,
    children::{PATIENCE, Supervisor},
    claim::Text,
    kernel, parties,
    raw::{self, Buffer, Response, Which, errno, lend},
    world,
};
use core::{ffi::CStr, time::Duration};
use owned_memfd::{
    Errno, OwnedMemFd, SealedMemFd, Seals,
    boot::{BootError, LoopDevice, kexec_file_load},
    exec::{Args, ExecError},
    fd::{AsRawFd, IntoRawFd, OwnedFd},
};
use rustix::{
    fs::{FileType, Mode, OFlags},
    mount::{MountFlags, MountPropagationFlags, UnmountFlags},
    process::Resource,
    thread::UnshareFlags,
};

claims!(
    a_module_in_a_sealed_file_is_loaded,
    a_module_in_a_file_that_is_not_sealed_is_loaded,
    a_module_that_is_loaded_is_eexist,
    a_module_gets_its_parameters,
    a_parameter_that_a_module_does_not_take_is_einval,
    a_parameter_that_a_module_does_not_know_is_ignored,
    a_module_that_is_open_for_writing_elsewhere_is_etxtbsy,
    a_module_is_loaded_by_a_reading_descriptor,
    a_module_that_is_cut_off_is_enoexec,
    a_module_of_another_kernel_is_enoexec,
    a_module_with_a_wrong_signature_is_ekeyrejected,
    what_is_no_module_is_enoexec,
    an_empty_module_is_einval,
    a_module_of_2_gib_is_efbig,
    what_may_be_longer_than_was_proven_is_given_to_no_kernel,
    what_is_on_huge_pages_is_given_to_no_kernel,
    no_module_is_loaded_without_privilege,
    no_module_is_loaded_by_a_kernel_without_modules,
    an_image_in_a_sealed_file_is_mounted,
    a_device_has_its_number_in_its_path,
    a_device_of_a_sealed_file_is_read_only,
    a_device_of_a_file_sealed_for_readers_is_read_only,
    a_device_by_a_reading_descriptor_is_read_only,
    a_device_of_huge_pages_by_a_reading_descriptor_is_read_only,
    a_device_by_a_descriptor_that_only_writes_is_ebadf,
    a_device_of_a_file_that_is_not_sealed_is_written,
    a_device_whose_file_is_sealed_later_fails_to_write,
    a_device_goes_when_it_is_dropped,
    a_device_goes_when_its_descriptor_does,
    a_device_outlives_the_descriptor_of_its_file,
    a_device_shows_whole_sectors,
    a_device_keeps_its_size_when_the_file_grows,
    two_devices_have_two_numbers,
    a_number_that_others_take_is_left_to_them,
    a_number_that_others_take_again_and_again_is_ebusy,
    a_device_that_others_remove_is_left_to_them,
    a_device_that_others_remove_again_and_again_is_enxio,
    a_machine_without_loop_devices_says_so,
    a_user_who_may_not_make_devices_is_refused,
    a_node_without_its_module_is_enodev,
    a_device_without_a_node_is_enoent,
    a_full_table_is_emfile,
    a_table_that_gets_full_half_way_is_emfile,
);

/// The modules that the suite's own machines have in /boot, unless the kernel has them built in.
const MODULE: &CStr = c"/boot/loop.ko";
const SQUASHFS: &CStr = c"/boot/squashfs.ko";
const IMAGE: &CStr = c"/boot/image.squashfs";

const CONTROL: &CStr = c"/dev/loop-control";

// The reasons for which claims are skipped.
pub(crate) const NO_MODULE: &str = "there is no /boot/loop.ko";
pub(crate) const NOT_ATTACHED: &str = "no loop devices here, or not for this process";
pub(crate) const NO_LOOP: &str = "no loop devices in this kernel, and no /boot/loop.ko";
pub(crate) const NO_IMAGE: &str = "there is no /boot/image.squashfs";
pub(crate) const NO_SQUASHFS: &str = "no squashfs in this kernel, and no /boot/squashfs.ko";
pub(crate) const NOT_SIGNED: &str = "/boot/loop.ko is not signed";
pub(crate) const NO_NODES: &str = "not privileged to make the nodes of devices";
pub(crate) const NOT_CLOSED: &str = "/dev/loop-control is not there, or everybody may open it";
pub(crate) const MODULES: &str = "this kernel has modules";

fn is_there(path: &CStr) -> bool {
    kernel::open(path, OFlags::RDONLY).is_ok()
}

/// A memory file with a copy of the file at `path`.
fn copy_of(path: &CStr) -> Result<OwnedMemFd, Errno> {
    let file = kernel::sealable()?;
    file.copy_from(kernel::open(path, OFlags::RDONLY)?, u64::MAX)?;
    Ok(file)
}

/// Loads a module of `/boot`, unless it is loaded.
fn load(path: &CStr) -> Verdict {
    match ok!(copy_of(path)).load_module(c"") {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => fail!("{path:?} is not loaded: {error:?}"),
    }
}

// Modules.

/// A memory file with the loop module. The module is not loaded.
fn module(world: &World) -> Result<OwnedMemFd, Stop> {
    needs!(world.machine, world::NO_OWN_MACHINE);
    needs!(world.modules, world::NO_MODULES);
    needs!(world.proc, world::NO_PROC);
    needs!(is_there(MODULE), NO_MODULE);
    let deadline = raw::now() + PATIENCE;
    loop {
        match rustix::system::delete_module(c"loop", 0).map_err(errno) {
            Ok(()) | Err(Errno::ENOENT) => break,
            // A user of the module may be about to go away.
            Err(Errno::EAGAIN | Errno::EBUSY) => {}
            Err(error) => fail!("the module is not unloaded: {error:?}"),
        }
        holds!(raw::now() < deadline, "the module stays in use");
        kernel::sleep(Duration::from_millis(5));
    }
    same!(is_loaded(), Ok(false));
    Ok(ok!(copy_of(MODULE)))
}

fn is_loaded() -> Result<bool, Errno> {
    let file = kernel::open(c"/proc/modules", OFlags::RDONLY)?;
    // The newest module is the first in the list.
    let mut text = [0; 5];
    Ok(kernel::read(&file, &mut text)? == text.len() && &text == b"loop ")
}

fn a_module_in_a_sealed_file_is_loaded(world: &World) -> Verdict {
    let sealed = ok!(module(world)?.seal());
    same!(sealed.load_module(c""), Ok(()));
    same!(is_loaded(), Ok(true));
    Ok(())
}

fn a_module_in_a_file_that_is_not_sealed_is_loaded(world: &World) -> Verdict {
    let file = module(world)?;
    same!(file.load_module(c""), Ok(()));
    same!(is_loaded(), Ok(true));
    // The kernel has its own copy.
    ok!(file.set_len(0));
    same!(is_loaded(), Ok(true));
    Ok(())
}

fn a_module_that_is_loaded_is_eexist(world: &World) -> Verdict {
    let sealed = ok!(module(world)?.seal());
    same!(sealed.load_module(c""), Ok(()));
    same!(sealed.load_module(c""), Err(Errno::EEXIST.into()));
    same!(ok!(copy_of(MODULE)).load_module(c""), Err(Errno::EEXIST));
    same!(is_loaded(), Ok(true));
    Ok(())
}

fn a_module_gets_its_parameters(world: &World) -> Verdict {
    const MAX_PART: &CStr = c"/sys/module/loop/parameters/max_part";
    const MAX_LOOP: &CStr = c"/sys/module/loop/parameters/max_loop";

    // The module rounds `max_part` up to one less than a power of two.
    same!(
        module(world)?.load_module(c"max_part=15 max_loop=4"),
        Ok(())
    );
    same!(kernel::read_number(MAX_PART), Ok(15));
    same!(kernel::read_number(MAX_LOOP), Ok(4));
    same!(module(world)?.load_module(c""), Ok(()));
    same!(kernel::read_number(MAX_PART), Ok(0));
    holds!(ok!(kernel::read_number(MAX_LOOP)) != 4);
    Ok(())
}

fn a_parameter_that_a_module_does_not_take_is_einval(world: &World) -> Verdict {
    let file = module(world)?;
    same!(file.load_module(c"max_part=some"), Err(Errno::EINVAL));
    same!(is_loaded(), Ok(false));
    same!(file.load_module(c""), Ok(()));
    Ok(())
}

fn a_parameter_that_a_module_does_not_know_is_ignored(world: &World) -> Verdict {
    let file = module(world)?;
    same!(file.load_module(c"unheard=of"), Ok(()));
    same!(is_loaded(), Ok(true));
    Ok(())
}

fn a_module_that_is_open_for_writing_elsewhere_is_etxtbsy(world: &World) -> Verdict {
    let file = module(world)?;
    let writer = ok!(kernel::reopen(&file, OFlags::WRONLY));
    same!(file.load_module(c""), Err(Errno::ETXTBSY));
    // Sealing the file makes no difference.
    let sealed = ok!(file.seal());
    same!(sealed.load_module(c""), Err(Errno::ETXTBSY.into()));
    same!(is_loaded(), Ok(false));
    drop(writer);
    same!(sealed.load_module(c""), Ok(()));
    Ok(())
}

fn a_module_is_loaded_by_a_reading_descriptor(world: &World) -> Verdict {
    let file = module(world)?;
    let writer = raw::disguise(ok!(kernel::reopen(&file, OFlags::WRONLY)));
    same!(writer.load_module(c""), Err(Errno::EBADF));
    drop(writer);
    let reader = ok!(file.reopen_read_only());
    drop(file);
    same!(reader.load_module(c""), Ok(()));
    same!(is_loaded(), Ok(true));
    Ok(())
}

fn a_module_that_is_cut_off_is_enoexec(world: &World) -> Verdict {
    let file = module(world)?;
    let len = ok!(file.len());
    for cut in [1, 64, len / 2, len - 1] {
        let part = ok!(kernel::sealable());
        let source = ok!(file.reopen_read_only());
        same!(part.copy_from(source, cut), Ok(cut));
        match part.load_module(c"") {
            Err(Errno::ENOEXEC) => {}
            // The signature stands at the end. This kernel accepts the module without it, too.
            Ok(()) if cut == len - 1 => {}
            other => fail!("{cut} of {len} bytes: {other:?}"),
        }
    }
    Ok(())
}

/// Where the module ends and its signature begins, if it has one.
fn start_of_signature(file: &OwnedMemFd) -> Result<Option<u64>, Errno> {
    const MAGIC: &[u8; 28] = b"~Module signature appended~\n";
    // struct module_signature, linux/module_signature.h, and the magic.
    let mut trailer = [0; 12 + MAGIC.len()];
    let start = file.len()? - trailer.len() as u64;
    kernel::pread(file, &mut trailer, start)?;
    let [.., a, b, c, d] = *trailer.strip_suffix(MAGIC).unwrap_or_default() else {
        return Ok(None);
    };
    Ok(Some(start - u64::from(u32::from_be_bytes([a, b, c, d]))))
}

fn a_module_of_another_kernel_is_enoexec(world: &World) -> Verdict {
    let file = module(world)?;
    if let Some(end) = ok!(start_of_signature(&file)) {
        ok!(file.set_len(end));
    }
    let mut bytes = ok!(Buffer::new(ok!(file.len()) as usize));
    ok!(file.read_exact_at(&mut bytes, 0));
    let magic = b"vermagic=";
    let Some(start) = bytes.windows(magic.len()).position(|bytes| bytes == magic) else {
        fail!("the module does not say of which kernel it is");
    };
    // Change a byte after the version: the kernel ignores the version if each symbol has a version
    // of its own.
    let Some(length) = bytes[start..].iter().position(|byte| *byte == b' ') else {
        fail!("the module says no more than a version");
    };
    let at = start + length + 1;
    same!(file.write_at(&[!bytes[at]], at as u64), Ok(1));
    same!(file.load_module(c""), Err(Errno::ENOEXEC));
    same!(is_loaded(), Ok(false));
    // With that byte restored, the module loads.
    same!(file.write_at(&bytes[at..=at], at as u64), Ok(1));
    same!(file.load_module(c""), Ok(()));
    Ok(())
}

fn a_module_with_a_wrong_signature_is_ekeyrejected(world: &World) -> Verdict {
    let file = module(world)?;
    let end = ok!(start_of_signature(&file));
    needs!(end.is_some(), NOT_SIGNED);
    let middle = end.unwrap_or(0) / 2;
    let mut byte = [0];
    same!(file.read_at(&mut byte, middle), Ok(1));
    same!(file.write_at(&[!byte[0]], middle), Ok(1));
    // The kernel checks the signature, although it does not require one.
    same!(file.load_module(c""), Err(Errno::EKEYREJECTED));
    same!(is_loaded(), Ok(false));
    Ok(())
}

fn what_is_no_module_is_enoexec(world: &World) -> Verdict {
    needs!(world.machine, world::NO_OWN_MACHINE);
    needs!(world.modules, world::NO_MODULES);
    // Three of these are the magic numbers of xz, zstd and gzip.
    let starts: [&[u8]; 5] = [
        b"no module",
        b"\x7fELF",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"\x1f\x8b\x08",
    ];
    for start in starts {
        for len in [start.len(), 100_000] {
            let file = ok!(kernel::holding(start));
            ok!(file.set_len(len as u64));
            same!(file.load_module(c""), Err(Errno::ENOEXEC));
            let sealed = ok!(file.seal());
            same!(sealed.load_module(c""), Err(Errno::ENOEXEC.into()));
        }
    }
    Ok(())
}

fn an_empty_module_is_einval(world: &World) -> Verdict {
    needs!(world.machine, world::NO_OWN_MACHINE);
    needs!(world.modules, world::NO_MODULES);
    same!(ok!(kernel::sealable()).load_module(c""), Err(Errno::EINVAL));
    Ok(())
}

fn a_module_of_2_gib_is_efbig(world: &World) -> Verdict {
    needs!(world.machine, world::NO_OWN_MACHINE);
    needs!(world.modules, world::NO_MODULES);
    // A hole, which takes no memory.
    let file = ok!(kernel::holding(b"\x7fELF"));
    ok!(file.set_len(1 << 31));
    same!(file.load_module(c""), Err(Errno::EFBIG));
    Ok(())
}

fn what_may_be_longer_than_was_proven_is_given_to_no_kernel(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    // What is not refused for that does not get far either.
    ok!(kernel::renounce_privileges());
    let refusals = |sealed: &SealedMemFd, whole: &SealedMemFd| {
        [
            sealed.load_module(c"").err(),
            sealed.attach_loop().err(),
            kexec_file_load(sealed, None, c"").err(),
            kexec_file_load(whole, Some(sealed), c"").err(),
        ]
    };
    let whole = ok!(SealedMemFd::copy_from_slice(c"whole", b"no kernel"));
    let refusal = Some(BootError::UnprovenLength);
    attacks::with_unproven_lengths(
        &[b'x'; 4096],
        1 << 40,
        |sealed| {
            same!(refusals(sealed, &whole), [refusal; 4]);
            Ok(())
        },
        |sealed| {
            holds!(!refusals(sealed, &whole).contains(&refusal));
            Ok(())
        },
    )?;
    same!(Errno::from(BootError::UnprovenLength), Errno::EFBIG);
    same!(Errno::from(BootError::Kernel(Errno::EIO)), Errno::EIO);
    same!(
        Text::of(BootError::Kernel(Errno::EIO)).as_str(),
        Text::of(Errno::EIO).as_str()
    );
    holds!(
        Text::of(BootError::UnprovenLength)
            .as_str()
            .contains("copy")
    );
    Ok(())
}

fn what_is_on_huge_pages_is_given_to_no_kernel(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    // Some kernels lengthen such a file, whatever its seals. An empty one needs no pool.
    let sealed = ok!(ok!(attacks::huge()).seal());
    let refusal = Err(BootError::UnprovenLength);
    same!(sealed.load_module(c""), refusal);
    same!(sealed.attach_loop().map(drop), refusal);
    same!(kexec_file_load(&sealed, None, c""), refusal);
    let no_program = sealed.exec(Args::EMPTY, Args::EMPTY).err();
    same!(no_program, Some(ExecError::HugePages));
    Ok(())
}

fn no_module_is_loaded_without_privilege(world: &World) -> Verdict {
    needs!(world.modules, world::NO_MODULES);
    let file = ok!(kernel::holding(b"no module"));
    ok!(kernel::renounce_privileges());
    same!(file.load_module(c""), Err(Errno::EPERM));
    let sealed = ok!(file.seal());
    same!(sealed.load_module(c""), Err(Errno::EPERM.into()));
    Ok(())
}

fn no_module_is_loaded_by_a_kernel_without_modules(world: &World) -> Verdict {
    needs!(!world.modules, MODULES);
    let file = ok!(kernel::holding(b"no module"));
    same!(file.load_module(c""), Err(Errno::ENOSYS));
    Ok(())
}

// Block devices.

/// Loads the module of loop devices, if it is a module and the machine is the suite's own.
pub(crate) fn loops(world: &World) -> Verdict {
    if world.loop_devices {
        return Ok(());
    }
    needs!(world.machine, NOT_ATTACHED);
    if !is_there(CONTROL) && is_there(MODULE) {
        load(MODULE)?;
    }
    needs!(is_there(CONTROL), NO_LOOP);
    Ok(())
}

/// A file of three sectors.
fn sectors() -> Result<OwnedMemFd, Errno> {
    kernel::holding(&[b'x'; SIZE as usize])
}

const SIZE: u64 = 3 * 512;

/// Whether the device has a file, found by opening it again.
fn is_bound(path: &CStr) -> Result<bool, Errno> {
    match kernel::open(path, OFlags::RDONLY) {
        Ok(device) => Ok(kernel::pread(&device, &mut [0], 0)? > 0),
        // The device is being detached.
        Err(Errno::ENXIO) => Ok(false),
        Err(error) => Err(error),
    }
}

/// The device loses its file.
fn goes(path: &CStr) -> Verdict {
    let deadline = raw::now() + PATIENCE;
    while ok!(is_bound(path)) {
        holds!(raw::now() < deadline, "{path:?} stays");
        kernel::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// The device can be read and cannot be written.
fn is_read_only(device: &LoopDevice) -> Verdict {
    same!(kernel::pread(device, &mut [0; 512], 0), Ok(512));
    refused!(kernel::write(device, b"y"), Errno::EBADF | Errno::EPERM);
    match kernel::open(&device.path(), OFlags::RDWR) {
        Ok(writer) => refused!(kernel::write(&writer, b"y"), Errno::EPERM),
        Err(error) => same!(error, Errno::EACCES),
    }
    Ok(())
}

fn an_image_in_a_sealed_file_is_mounted(world: &World) -> Verdict {
    loops(world)?;
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    needs!(is_there(IMAGE), NO_IMAGE);
    let has_module = world.machine && is_there(SQUASHFS);
    if has_module {
        load(SQUASHFS)?;
    }
    let sealed = ok!(ok!(copy_of(IMAGE)).seal());
    let device = ok!(sealed.attach_loop());
    let path = device.path();

    ok!(raw::unshare(UnshareFlags::NEWNS));
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    ok!(rustix::mount::mount_change("/", private));
    match rustix::mount::mount(&*path, c"/boot", c"squashfs", MountFlags::RDONLY, None) {
        Err(rustix::io::Errno::NODEV) if !has_module => return Err(Stop::Skipped(NO_SQUASHFS)),
        result => ok!(result),
    }
    // The mount keeps the device and its file in use.
    drop(device);
    drop(sealed);
    let greeting = ok!(kernel::open(c"/boot/greeting", OFlags::RDONLY));
    same!(
        kernel::holds_exactly(&greeting, b"hello from a loop device\n"),
        Ok(true)
    );
    drop(greeting);
    same!(is_bound(&path), Ok(true));
    ok!(rustix::mount::unmount(c"/boot", UnmountFlags::empty()));
    goes(&path)
}

fn a_device_has_its_number_in_its_path(world: &World) -> Verdict {
    loops(world)?;
    let device = ok!(ok!(sectors()).attach_loop());
    let path = device.path();
    let expected = Text::of(format_args!("/dev/loop{}", device.number()));
    same!(Text::of(path).as_str(), expected.as_str());
    same!(path.to_str(), Ok(expected.as_str()));
    same!(
        Text::of(format_args!("{path:?}")).as_str(),
        Text::of(format_args!("{:?}", &*path)).as_str()
    );
    let shown = Text::of(format_args!(
        "LoopDevice {{ fd: {}, number: {} }}",
        device.as_raw_fd(),
        device.number()
    ));
    same!(
        Text::of(format_args!("{device:?}")).as_str(),
        shown.as_str()
    );
    // The path leads to the same device.
    let again = ok!(kernel::open(&path, OFlags::RDONLY));
    same!(
        ok!(kernel::stat(&again)).st_rdev,
        ok!(kernel::stat(&device)).st_rdev
    );
    same!(kernel::close_on_exec(&device), Ok(true));
    Ok(())
}

fn a_device_of_a_sealed_file_is_read_only(world: &World) -> Verdict {
    loops(world)?;
    let sealed = ok!(ok!(sectors()).seal());
    is_read_only(&ok!(sealed.attach_loop()))?;
    // The write seal alone is enough.
    let file = ok!(sectors());
    ok!(file.add_seals(Seals::WRITE));
    is_read_only(&ok!(file.attach_loop()))
}

fn a_device_of_a_file_sealed_for_readers_is_read_only(world: &World) -> Verdict {
    loops(world)?;
    needs!(world.future_write, world::NO_FUTURE_WRITE);
    let file = ok!(sectors());
    ok!(file.add_seals(Seals::FUTURE_WRITE));
    is_read_only(&ok!(file.attach_loop()))
}

fn a_device_by_a_reading_descriptor_is_read_only(world: &World) -> Verdict {
    loops(world)?;
    let file = ok!(sectors());
    let reader = ok!(file.reopen_read_only());
    is_read_only(&ok!(reader.attach_loop()))
}

fn a_device_of_huge_pages_by_a_reading_descriptor_is_read_only(world: &World) -> Verdict {
    loops(world)?;
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let file = ok!(attacks::huge());
    // A hole, which takes no memory.
    let size = ok!(kernel::piece_size(&file));
    ok!(file.set_len(size));
    // Some kernels attach the file through a writable descriptor, too.
    match file.attach_loop() {
        Ok(device) => is_read_only(&device)?,
        Err(error) => same!(error, Errno::EINVAL),
    }
    let reader = ok!(file.reopen_read_only());
    is_read_only(&ok!(reader.attach_loop()))
}

fn a_device_by_a_descriptor_that_only_writes_is_ebadf(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(sectors());
    let writer = raw::disguise(ok!(kernel::reopen(&file, OFlags::WRONLY)));
    refused!(writer.attach_loop(), Errno::EBADF);
    Ok(())
}

fn a_device_of_a_file_that_is_not_sealed_is_written(world: &World) -> Verdict {
    loops(world)?;
    let file = ok!(sectors());
    ok!(file.add_seals(Seals::SHRINK | Seals::GROW));
    let device = ok!(file.attach_loop());
    let path = device.path();
    same!(kernel::write(&device, b"now"), Ok(3));
    ok!(rustix::fs::fsync(lend(&device)));
    let mut bytes = [0; 4];
    same!(file.read_at(&mut bytes, 0), Ok(4));
    same!(&bytes, b"nowx");
    // Without `fsync`, the write reaches the file when the device is closed.
    same!(kernel::write(&device, b"then"), Ok(4));
    drop(device);
    goes(&path)?;
    same!(file.read_at(&mut bytes, 3), Ok(4));
    same!(&bytes, b"then");
    same!(file.len(), Ok(SIZE));
    Ok(())
}

fn a_device_whose_file_is_sealed_later_fails_to_write(world: &World) -> Verdict {
    loops(world)?;
    let file = ok!(sectors());
    let device = ok!(file.attach_loop());
    let sealed = ok!(file.seal());
    same!(kernel::write(&device, b"y"), Ok(1));
    refused!(rustix::fs::fsync(lend(&device)).map_err(errno), Errno::EIO);
    let mut byte = [0];
    same!(sealed.read_at(&mut byte, 0), Ok(1));
    same!(&byte, b"x");
    Ok(())
}

fn a_device_goes_when_it_is_dropped(world: &World) -> Verdict {
    loops(world)?;
    let device = ok!(ok!(sectors()).attach_loop());
    let path = device.path();
    same!(is_bound(&path), Ok(true));
    drop(device);
    goes(&path)
}

fn a_device_goes_when_its_descriptor_does(world: &World) -> Verdict {
    loops(world)?;
    let file = ok!(sectors());
    let device = ok!(file.attach_loop());
    let path = device.path();
    let fd = OwnedFd::from(device);
    same!(is_bound(&path), Ok(true));
    drop(fd);
    goes(&path)?;

    let device = ok!(file.attach_loop());
    let path = device.path();
    let fd = raw::take(device.into_raw_fd());
    same!(is_bound(&path), Ok(true));
    drop(fd);
    goes(&path)
}

fn a_device_outlives_the_descriptor_of_its_file(world: &World) -> Verdict {
    loops(world)?;
    let file = ok!(sectors());
    let device = ok!(file.attach_loop());
    ok!(file.close());
    let mut byte = [0];
    same!(kernel::pread(&device, &mut byte, SIZE - 1), Ok(1));
    same!(&byte, b"x");
    Ok(())
}

fn a_device_shows_whole_sectors(world: &World) -> Verdict {
    loops(world)?;
    for (len, shown) in [(0, 0), (511, 0), (512, 512), (1000, 512), (5000, 4608)] {
        let file = ok!(kernel::sealable());
        ok!(file.set_len(len));
        for sealed in [false, true] {
            if sealed {
                ok!(file.add_seals(Seals::WRITE | Seals::SHRINK | Seals::GROW));
            }
            let device = ok!(file.attach_loop());
            same!(
                kernel::holds_exactly(&device, &[0; 4608][..shown]),
                Ok(true)
            );
        }
    }
    Ok(())
}

fn a_device_keeps_its_size_when_the_file_grows(world: &World) -> Verdict {
    loops(world)?;
    let file = ok!(sectors());
    let device = ok!(file.attach_loop());
    ok!(file.set_len(2 * SIZE));
    let end = [b'x'; SIZE as usize];
    same!(kernel::holds_exactly(&device, &end), Ok(true));
    Ok(())
}

fn two_devices_have_two_numbers(world: &World) -> Verdict {
    loops(world)?;
    let (one, other) = (ok!(sectors()), ok!(kernel::holding(&[b'y'; 512])));
    let (one, other) = (ok!(one.attach_loop()), ok!(other.attach_loop()));
    holds!(one.number() != other.number());
    for (device, expected) in [(&one, b"x"), (&other, b"y")] {
        let mut byte = [0];
        same!(kernel::pread(device, &mut byte, 0), Ok(1));
        same!(&byte, expected);
    }
    Ok(())
}

/// `LOOP_CTL_GET_FREE`, linux/loop.h.
const FREE: Which = Which::Equal(sc::nr::IOCTL, 1, 0x4c82);

fn a_number_that_others_take_is_left_to_them(world: &World) -> Verdict {
    loops(world)?;
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let theirs = ok!(ok!(sectors()).attach_loop());
    let taken = Response::Value(theirs.number().into());
    let supervisor = Supervisor::of(FREE, &[taken, taken, taken])?;
    let device = ok!(ok!(kernel::holding(&[b'y'; 512])).attach_loop());
    same!(supervisor.calls(), 4);
    holds!(device.number() != theirs.number());
    let mut byte = [0];
    same!(kernel::pread(&device, &mut byte, 0), Ok(1));
    same!(&byte, b"y");
    same!(kernel::pread(&theirs, &mut byte, 0), Ok(1));
    same!(&byte, b"x");
    Ok(())
}

fn a_number_that_others_take_again_and_again_is_ebusy(world: &World) -> Verdict {
    loops(world)?;
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(sectors());
    let theirs = ok!(file.attach_loop());
    let taken = Response::Value(theirs.number().into());
    let supervisor = Supervisor::of(FREE, &[taken; 100])?;
    refused!(file.attach_loop(), Errno::EBUSY);
    same!(supervisor.calls(), 32);
    Ok(())
}

/// Opening a file for writing. Of the files that the library opens here, only the device is opened
/// so.
const OPENING: Which = Which::WithBits(sc::nr::OPENAT, 2, linux_raw_sys::general::O_RDWR);

fn a_device_that_others_remove_is_left_to_them(world: &World) -> Verdict {
    loops(world)?;
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(sectors());
    let supervisor = Supervisor::of(OPENING, &[Response::Error(Errno::ENXIO); 3])?;
    let device = ok!(file.attach_loop());
    same!(supervisor.calls(), 4);
    let mut byte = [0];
    same!(kernel::pread(&device, &mut byte, 0), Ok(1));
    same!(&byte, b"x");
    Ok(())
}

fn a_device_that_others_remove_again_and_again_is_enxio(world: &World) -> Verdict {
    loops(world)?;
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(sectors());
    let supervisor = Supervisor::of(OPENING, &[Response::Error(Errno::ENXIO); 100])?;
    refused!(file.attach_loop(), Errno::ENXIO);
    same!(supervisor.calls(), 32);
    Ok(())
}

fn a_machine_without_loop_devices_says_so(world: &World) -> Verdict {
    let file = ok!(sectors());
    if let Err(error @ (Errno::ENOENT | Errno::ENODEV)) = kernel::open(CONTROL, OFlags::RDONLY) {
        same!(file.attach_loop().err(), Some(error));
        return Ok(());
    }
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    ok!(parties::hide(c"/dev"));
    refused!(file.attach_loop(), Errno::ENOENT);
    Ok(())
}

fn a_user_who_may_not_make_devices_is_refused(world: &World) -> Verdict {
    if world.machine {
        loops(world)?;
    }
    let file = ok!(sectors());
    // A process that cannot do this may be unprivileged already. The next lines find out.
    let _ = kernel::become_nobody();
    let result = kernel::open(CONTROL, OFlags::RDONLY).err();
    needs!(result == Some(Errno::EACCES), NOT_CLOSED);
    refused!(file.attach_loop(), Errno::EACCES);
    Ok(())
}

/// Replaces `/dev`, for this process, by a directory that has only the node of `loop-control`.
fn own_dev(world: &World) -> Verdict {
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    ok!(parties::hide(c"/dev"));
    // `LOOP_CTRL_MINOR` is 237: linux/miscdevice.h.
    let device = rustix::fs::makedev(10, 237);
    let (kind, mode) = (FileType::CharacterDevice, Mode::RUSR | Mode::WUSR);
    let node = rustix::fs::mknodat(rustix::fs::CWD, CONTROL, kind, mode, device);
    // In a user namespace, nobody may.
    needs!(node != Err(rustix::io::Errno::PERM), NO_NODES);
    ok!(node);
    Ok(())
}

fn a_node_without_its_module_is_enodev(world: &World) -> Verdict {
    module(world)?;
    own_dev(world)?;
    refused!(ok!(sectors()).attach_loop(), Errno::ENODEV);
    Ok(())
}

fn a_device_without_a_node_is_enoent(world: &World) -> Verdict {
    loops(world)?;
    own_dev(world)?;
    refused!(ok!(sectors()).attach_loop(), Errno::ENOENT);
    Ok(())
}

fn a_full_table_is_emfile(_: &World) -> Verdict {
    let file = ok!(sectors());
    ok!(kernel::fill_the_table());
    refused!(file.attach_loop(), Errno::EMFILE);
    Ok(())
}

fn a_table_that_gets_full_half_way_is_emfile(world: &World) -> Verdict {
    loops(world)?;
    let file = ok!(sectors());
    let next = ok!(kernel::sealable());
    let limit = next.as_raw_fd() as u64 + 1;
    drop(next);
    ok!(kernel::limit(Resource::Nofile, limit));
    refused!(file.attach_loop(), Errno::EMFILE);
    Ok(())
}
