//! Claims about `OwnedMemFd::create`, which passes its arguments to the kernel unchanged, and
//! about what the kernel does with them.

use crate::{
    Verdict, World,
    children::Supervisor,
    claim::Text,
    flags::NAMED,
    kernel,
    raw::{self, Mapping, Which},
    world,
};
use core::{ffi::CStr, ptr};
use linux_raw_sys::general::{S_IFMT, S_IFREG};
use owned_memfd::{Errno, HugePageSize, MemFdFlags, OwnedMemFd, Seals};
use rustix::fs::OFlags;

claims!(
    a_null_name_is_efault,
    a_name_without_end_is_einval,
    an_overlong_name_is_the_kernels_to_refuse,
    the_empty_name_is_a_name,
    a_name_has_at_most_249_bytes,
    any_byte_but_nul_may_be_in_a_name,
    unknown_flags_are_einval,
    executable_and_not_executable_is_einval,
    a_size_of_huge_pages_without_huge_pages_is_einval,
    all_good_flags_are_accepted,
    flags_are_checked_before_the_name,
    close_on_exec_is_what_was_asked_for,
    proc_shows_the_name,
    a_new_file_is_empty_and_open_for_both,
    a_new_files_mode_follows_the_exec_flags,
    one_name_makes_two_files,
    a_full_table_of_descriptors_is_emfile,
    names_are_checked_before_the_table_of_descriptors,
    huge_pages_come_in_the_sizes_that_the_machine_lists,
    creation_is_exactly_one_call,
);

fn create(name: &CStr, flags: MemFdFlags) -> Result<OwnedMemFd, Errno> {
    OwnedMemFd::create(name, flags)
}

/// The flags that all kernels of this suite know.
const EVERYWHERE: u32 = MemFdFlags::CLOEXEC.bits() | MemFdFlags::ALLOW_SEALING.bits();

// The type `&CStr` rules this out; the kernel returns EFAULT.
fn a_null_name_is_efault(_: &World) -> Verdict {
    refused!(raw::memfd_create(ptr::null(), 0), Errno::EFAULT);
    refused!(
        raw::memfd_create(ptr::without_provenance(1), 0),
        Errno::EFAULT
    );
    Ok(())
}

// The kernel reads at most 250 bytes of a name, so it never reaches the end of the mapping.
fn a_name_without_end_is_einval(world: &World) -> Verdict {
    needs!(world.kernel_reads_names, world::NAMES_COPIED);
    // The last page of a mapping, with nothing mapped after it.
    let pages = ok!(Mapping::zeros(65536 * 2));
    ok!(pages.forbid_from(65536));
    for index in 0..65536 {
        pages.put(index, 0xff);
    }
    refused!(
        raw::memfd_create(pages.address(65536 - 2048), 0),
        Errno::EINVAL
    );
    refused!(
        raw::memfd_create(pages.address(65536 - 250), 0),
        Errno::EINVAL
    );
    refused!(
        raw::memfd_create(pages.address(65536 - 249), 0),
        Errno::EFAULT
    );
    Ok(())
}

/// A name of `len` times the byte, with a NUL at its end.
fn name_of(byte: u8, len: usize, room: &mut [u8; 4096]) -> &CStr {
    room[..len].fill(byte);
    room[len] = 0;
    CStr::from_bytes_until_nul(room).unwrap_or_default()
}

fn an_overlong_name_is_the_kernels_to_refuse(_: &World) -> Verdict {
    let mut room = [0; 4096];
    let name = name_of(0xff, 2047, &mut room);
    same!(name.count_bytes(), 2047);
    refused!(create(name, MemFdFlags::empty()), Errno::EINVAL);
    Ok(())
}

fn the_empty_name_is_a_name(_: &World) -> Verdict {
    ok!(create(c"", MemFdFlags::empty()));
    Ok(())
}

fn a_name_has_at_most_249_bytes(_: &World) -> Verdict {
    let mut room = [0; 4096];
    ok!(create(name_of(b'n', 249, &mut room), MemFdFlags::empty()));
    refused!(
        create(name_of(b'n', 250, &mut room), MemFdFlags::empty()),
        Errno::EINVAL
    );
    // The limit counts bytes, not characters: the euro sign has three.
    let mut euros = [0; 4096];
    for (signs, works) in [(83, true), (84, false)] {
        for sign in euros.chunks_exact_mut(3).take(signs) {
            sign.copy_from_slice("€".as_bytes());
        }
        let name = CStr::from_bytes_until_nul(&euros).unwrap_or_default();
        same!(name.count_bytes(), signs * 3);
        same!(
            create(name, MemFdFlags::empty()).err(),
            (!works).then_some(Errno::EINVAL)
        );
    }
    Ok(())
}

fn any_byte_but_nul_may_be_in_a_name(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    for name in [
        c"a/b/../c",
        c"line\nbreak\t",
        c"\xff\xfe\x01",
        c"x (deleted)",
    ] {
        let file = ok!(create(name, MemFdFlags::empty()));
        let mut room = [0; 512];
        let link = ok!(kernel::link_of(&file, &mut room));
        holds!(
            link.strip_prefix(b"/memfd:")
                .and_then(|rest| rest.strip_suffix(b" (deleted)"))
                == Some(name.to_bytes()),
            "{name:?} shows as {link:?}"
        );
    }
    Ok(())
}

fn unknown_flags_are_einval(_: &World) -> Verdict {
    let all_but = |flag: MemFdFlags| !flag.bits();
    for bits in [
        0x100,
        0x20,
        all_but(MemFdFlags::CLOEXEC),
        all_but(MemFdFlags::ALLOW_SEALING),
        u32::MAX,
        0x8000_0000,
        -500_i32 as u32,
    ] {
        let flags = MemFdFlags::from_bits_retain(bits);
        holds!(
            create(c"flags", flags).err() == Some(Errno::EINVAL),
            "{bits:#x} is not refused with EINVAL"
        );
    }
    Ok(())
}

fn executable_and_not_executable_is_einval(_: &World) -> Verdict {
    let both = MemFdFlags::EXEC | MemFdFlags::NOEXEC_SEAL;
    for more in [
        MemFdFlags::empty(),
        MemFdFlags::CLOEXEC,
        MemFdFlags::ALLOW_SEALING,
    ] {
        refused!(create(c"both", both | more), Errno::EINVAL);
    }
    Ok(())
}

fn a_size_of_huge_pages_without_huge_pages_is_einval(_: &World) -> Verdict {
    for (size, _) in NAMED {
        let flags = MemFdFlags::huge_pages(size) - MemFdFlags::HUGETLB;
        refused!(create(c"small", flags), Errno::EINVAL);
    }
    Ok(())
}

fn all_good_flags_are_accepted(world: &World) -> Verdict {
    for bits in 0..=EVERYWHERE {
        ok!(create(c"good", MemFdFlags::from_bits_retain(bits)));
    }
    if world.exec_flags {
        for bits in 0..=EVERYWHERE {
            let flags = MemFdFlags::from_bits_retain(bits);
            ok!(create(c"good", flags | MemFdFlags::NOEXEC_SEAL));
            if world.exec_is_free {
                ok!(create(c"good", flags | MemFdFlags::EXEC));
            }
        }
    } else {
        refused!(create(c"new", MemFdFlags::NOEXEC_SEAL), Errno::EINVAL);
        refused!(create(c"new", MemFdFlags::EXEC), Errno::EINVAL);
    }
    Ok(())
}

fn flags_are_checked_before_the_name(world: &World) -> Verdict {
    needs!(world.kernel_reads_names, world::NAMES_COPIED);
    refused!(raw::memfd_create(ptr::null(), 0x100), Errno::EINVAL);
    refused!(raw::memfd_create(ptr::null(), 0), Errno::EFAULT);
    Ok(())
}

fn close_on_exec_is_what_was_asked_for(_: &World) -> Verdict {
    for flags in [MemFdFlags::empty(), MemFdFlags::ALLOW_SEALING] {
        same!(
            kernel::close_on_exec(&ok!(create(c"kept", flags))),
            Ok(false)
        );
        let flags = flags | MemFdFlags::CLOEXEC;
        same!(
            kernel::close_on_exec(&ok!(create(c"closed", flags))),
            Ok(true)
        );
    }
    Ok(())
}

fn proc_shows_the_name(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(create(c"shown", MemFdFlags::empty()));
    let mut room = [0; 512];
    holds!(ok!(kernel::link_of(&file, &mut room)).starts_with(b"/memfd:shown"));
    let file = ok!(create(c"other", MemFdFlags::empty()));
    holds!(!ok!(kernel::link_of(&file, &mut room)).starts_with(b"/memfd:shown"));
    Ok(())
}

fn a_new_file_is_empty_and_open_for_both(_: &World) -> Verdict {
    let file = ok!(create(c"new", MemFdFlags::empty()));
    let stat = ok!(kernel::stat(&file));
    same!(stat.st_size, 0);
    same!(stat.st_mode & S_IFMT, S_IFREG);
    same!(kernel::links(&file), Ok(0));
    same!(kernel::memory_of(&file), Ok(0));
    same!(file.len(), Ok(0));
    same!(file.seek(owned_memfd::SeekFrom::Current(0)), Ok(0));
    same!(file.read(&mut [0]), Ok(0));
    let flags = ok!(kernel::status_flags(&file));
    same!(flags & OFlags::ACCMODE, OFlags::RDWR);
    holds!(!flags.contains(OFlags::APPEND));
    holds!(ok!(kernel::is_on_tmpfs(&file)));
    Ok(())
}

fn a_new_files_mode_follows_the_exec_flags(world: &World) -> Verdict {
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let mode = |flags| create(c"mode", flags).and_then(|file| kernel::mode(&file));
    same!(mode(MemFdFlags::empty()), Ok(0o777));
    same!(mode(MemFdFlags::ALLOW_SEALING), Ok(0o777));
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    same!(mode(MemFdFlags::EXEC), Ok(0o777));
    same!(mode(MemFdFlags::NOEXEC_SEAL), Ok(0o666));
    same!(
        mode(MemFdFlags::NOEXEC_SEAL | MemFdFlags::ALLOW_SEALING),
        Ok(0o666)
    );
    Ok(())
}

fn one_name_makes_two_files(_: &World) -> Verdict {
    let one = ok!(create(c"name", MemFdFlags::empty()));
    let two = ok!(create(c"name", MemFdFlags::empty()));
    holds!(raw::number(&one) != raw::number(&two));
    let (one_is, two_is) = (ok!(kernel::identity(&one)), ok!(kernel::identity(&two)));
    holds!(one_is.1 != two_is.1);
    // Both are on the kernel's one mount for memory files.
    same!(one_is.0, two_is.0);
    ok!(one.write_all(b"one"));
    same!(two.len(), Ok(0));
    // A duplicate is the same file.
    same!(kernel::identity(&ok!(one.try_clone())), Ok(one_is));
    Ok(())
}

fn a_full_table_of_descriptors_is_emfile(_: &World) -> Verdict {
    ok!(kernel::fill_the_table());
    refused!(create(c"many", MemFdFlags::empty()), Errno::EMFILE);
    // A full table is reported before the size of huge pages is looked up.
    let Some(odd) = HugePageSize::from_bytes(2) else {
        fail!("no size of 2 bytes");
    };
    refused!(create(c"many", MemFdFlags::huge_pages(odd)), Errno::EMFILE);
    Ok(())
}

fn names_are_checked_before_the_table_of_descriptors(_: &World) -> Verdict {
    ok!(kernel::fill_the_table());
    let mut room = [0; 4096];
    refused!(
        create(name_of(b'n', 250, &mut room), MemFdFlags::empty()),
        Errno::EINVAL
    );
    refused!(raw::memfd_create(ptr::null(), 0), Errno::EFAULT);
    refused!(
        create(c"flags", MemFdFlags::from_bits_retain(0x100)),
        Errno::EINVAL
    );
    Ok(())
}

fn huge_pages_come_in_the_sizes_that_the_machine_lists(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    needs!(world.huge_page_list, world::NO_HUGE_PAGE_LIST);
    let mut listed = 0;
    // Every power of two that the field can hold, including those that are no page size of any
    // CPU.
    for power in 1..64 {
        let Some(size) = HugePageSize::from_bytes(1 << power) else {
            fail!("no size of 2 to the {power}");
        };
        let result = create(c"huge", MemFdFlags::huge_pages(size));
        if is_listed(1 << power) {
            let file = ok!(result);
            listed += 1;
            same!(kernel::piece_size(&file), Ok(1 << power));
            same!(file.page_size(), Ok(1 << power));
        } else {
            refused!(result, Errno::ENODEV);
        }
    }
    holds!(listed > 0, "/sys/kernel/mm/hugepages lists no size");
    let file = ok!(create(
        c"huge",
        MemFdFlags::huge_pages(HugePageSize::DEFAULT)
    ));
    if world.exec_is_free {
        same!(file.seals(), Ok(Seals::SEAL));
    }
    holds!(ok!(kernel::piece_size(&file)) > 4096);
    Ok(())
}

fn is_listed(bytes: u64) -> bool {
    let path = Text::of(format_args!(
        "/sys/kernel/mm/hugepages/hugepages-{}kB\0",
        bytes / 1024
    ));
    bytes >= 1024 && kernel::open(path.path(), OFlags::DIRECTORY).is_ok()
}

fn creation_is_exactly_one_call(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let supervisor = Supervisor::of(Which::All(sc::nr::MEMFD_CREATE), &[])?;
    let mut room = [0; 4096];
    // This is so for all arguments: the library checks nothing first and retries nothing.
    ok!(create(c"one", MemFdFlags::CLOEXEC));
    same!(supervisor.calls(), 1);
    refused!(
        create(name_of(b'n', 250, &mut room), MemFdFlags::CLOEXEC),
        Errno::EINVAL
    );
    same!(supervisor.calls(), 2);
    refused!(
        create(c"flags", MemFdFlags::from_bits_retain(u32::MAX)),
        Errno::EINVAL
    );
    same!(supervisor.calls(), 3);
    Ok(())
}
