//! Claims that a proven file does not change. They try every path by which a file's bytes can be
//! changed, on files made in every way, from this process and from another one. They also try it
//! on a file that is not sealed, to see that the path works.

use crate::{
    Stop, Verdict, World, attacks,
    children::{self, Child, PATIENCE, Steps},
    claim::Text,
    kernel::{self, PAGE, READ, WRITE},
    raw::{self, Descriptors, Mapping, Stores},
    world,
};
use core::time::Duration;
use owned_memfd::{
    Errno, OwnedMemFd, SealError, SealedMap, SealedMemFd, Seals, SeekFrom, VerifyErrorKind,
    fd::{AsFd, AsRawFd},
};
use rustix::{
    fs::OFlags,
    mm::{MprotectFlags, ProtFlags},
    process::Pid,
};

claims!(
    writing_changes_nothing,
    copying_within_the_kernel_changes_nothing,
    shared_mappings_change_nothing,
    mappings_that_become_writable_change_nothing,
    second_mappings_change_nothing,
    private_mappings_change_nothing,
    punching_holes_changes_nothing,
    removing_pages_changes_nothing,
    cutting_and_lengthening_changes_nothing,
    opening_again_changes_nothing,
    writing_to_memory_by_address_changes_nothing,
    writing_to_memory_through_proc_changes_nothing,
    another_processs_memory_is_not_written_by_address,
    another_process_changes_no_map_through_proc,
    another_process_changes_no_map_by_address,
    a_debugger_changes_no_map,
    a_debugger_changes_no_map_through_proc,
    a_uprobe_changes_no_map,
    filling_holes_by_faults_changes_nothing,
    a_pin_from_before_changes_nothing,
    what_is_allowed_changes_nothing,
    what_does_not_need_the_file_changes_nothing,
);

const LEN: usize = 2 * PAGE;
const CONTENT: [u8; LEN] = [7; LEN];

/// Tries to change a file with the content `CONTENT` by what its descriptor allows.
type Attack = fn(&OwnedMemFd) -> Result<(), Errno>;

/// A proven file, and a descriptor of it that is open for writing.
type Victim = (SealedMemFd, OwnedMemFd);

fn victim(sealed: SealedMemFd) -> Result<Victim, Stop> {
    let attacker = ok!(sealed.try_clone()).into_memfd();
    Ok((sealed, attacker))
}

/// One proven file for every way to make one.
const VICTIMS: [fn() -> Result<Victim, Stop>; 6] = [
    || victim(ok!(ok!(kernel::holding(&CONTENT)).seal())),
    || victim(ok!(SealedMemFd::copy_from_slice(c"suite", &CONTENT))),
    || {
        victim(ok!(SealedMemFd::create_with(c"suite", LEN, |bytes| {
            bytes.copy_from_slice(&CONTENT);
        })))
    },
    // From a sender that adds only the seals it must.
    || {
        let (ours, theirs) = ok!(kernel::socket_pair());
        let sender = ok!(kernel::holding(&CONTENT));
        ok!(sender.add_seals(Seals::WRITE | Seals::SHRINK));
        ok!(kernel::send(&theirs, &sender));
        Ok((
            ok!(SealedMemFd::verify(ok!(kernel::receive(&ours)), LEN)),
            sender,
        ))
    },
    // From a sender that does not seal the file.
    || {
        let sender = ok!(kernel::holding(&CONTENT));
        let sealed = ok!(SealedMemFd::verify_or_copy(sender.into(), LEN));
        victim(sealed)
    },
    // From memory that was shared until it was sealed.
    || {
        let file = ok!(kernel::holding(&CONTENT));
        let shared = ok!(file.map_shared_mut(..));
        ok!(shared.write_all_at(&CONTENT[..4], 0));
        drop(shared);
        victim(ok!(file.seal()))
    },
];

/// Every way to read the file shows that each byte is unchanged.
fn is_unchanged(name: &str, sealed: &SealedMemFd, map: &SealedMap) -> Verdict {
    holds!(**map == CONTENT, "{name} changes a map");
    same!(sealed.len(), LEN);
    holds!(*ok!(sealed.map()) == CONTENT, "{name} changes a new map");
    let mut found = [0; LEN];
    same!(sealed.read_at(&mut found, 0), Ok(LEN));
    holds!(found == CONTENT, "{name} changes the file");
    Ok(())
}

/// Each attack changes a file that is not sealed. Every proven file rejects it and stays
/// unchanged.
fn fails(attacks: &[(&str, Attack)]) -> Verdict {
    for (name, attack) in attacks {
        let open = ok!(kernel::holding(&CONTENT));
        if let Err(error) = attack(&open) {
            fail!("{name} is refused with {error:?} where nothing is sealed");
        }
        holds!(
            kernel::holds_exactly(&open, &CONTENT) == Ok(false),
            "{name} changes nothing where nothing is sealed"
        );
        for victim in VICTIMS {
            let (sealed, attacker) = victim()?;
            let map = ok!(sealed.map());
            holds!(attack(&attacker).is_err(), "{name} is not refused");
            is_unchanged(name, &sealed, &map)?;
            children::apart(|| {
                holds!(
                    attack(&attacker).is_err(),
                    "{name} is not refused elsewhere"
                );
                Ok(())
            })?;
            is_unchanged(name, &sealed, &map)?;
        }
    }
    Ok(())
}

/// Each action may succeed, and does not change the proven bytes.
fn is_harmless(deeds: &[(&str, Attack)]) -> Verdict {
    for (name, deed) in deeds {
        for victim in VICTIMS {
            let (sealed, other) = victim()?;
            let map = ok!(sealed.map());
            // Some of these fail if the file is sealed against growing.
            let _ = deed(&other);
            is_unchanged(name, &sealed, &map)?;
        }
    }
    Ok(())
}

fn writing_changes_nothing(_: &World) -> Verdict {
    fails(&[
        ("write", |file| {
            file.seek(SeekFrom::Start(0))?;
            file.write(b"x").map(|_| ())
        }),
        ("pwrite", |file| {
            file.write_at(b"x", LEN as u64 - 1).map(|_| ())
        }),
        ("writev", |file| {
            file.seek(SeekFrom::Start(PAGE as u64))?;
            kernel::writev(file, b"x", b"y").map(|_| ())
        }),
        ("appending", |file| {
            kernel::set_status_flags(file, OFlags::APPEND)?;
            file.write(b"x").map(|_| ())
        }),
    ])
}

fn copying_within_the_kernel_changes_nothing(_: &World) -> Verdict {
    fails(&[
        ("splice", |file| {
            let (read_end, write_end) = kernel::pipe()?;
            kernel::write(&write_end, b"x")?;
            file.seek(SeekFrom::Start(0))?;
            kernel::splice(&read_end, file, 1).map(|_| ())
        }),
        ("sendfile", |file| {
            file.seek(SeekFrom::Start(0))?;
            kernel::sendfile(&kernel::holding(b"x")?, file, 1).map(|_| ())
        }),
        ("copy_file_range", |file| {
            file.seek(SeekFrom::Start(0))?;
            kernel::copy_file_range(&kernel::holding(b"x")?, file, 1).map(|_| ())
        }),
    ])
}

fn shared_mappings_change_nothing(_: &World) -> Verdict {
    fails(&[
        ("a shared mapping", |file| {
            let mapping = Mapping::of(file, LEN, Stores::Shared, READ | WRITE)?;
            mapping.put(PAGE, 8);
            Ok(())
        }),
        ("a shared mapping that cannot be read", |file| {
            let mapping = Mapping::of(file, LEN, Stores::Shared, WRITE)?;
            mapping.put(PAGE, 8);
            Ok(())
        }),
    ])
}

/// A shared mapping, writable if the kernel allows it.
fn best_mapping(file: &impl AsFd) -> Result<Mapping, Errno> {
    Mapping::of(file, LEN, Stores::Shared, READ | WRITE)
        .or_else(|_| Mapping::of(file, LEN, Stores::Shared, READ))
}

fn mappings_that_become_writable_change_nothing(_: &World) -> Verdict {
    fails(&[("mprotect", |file| {
        let mapping = Mapping::of(file, LEN, Stores::Shared, READ)?;
        mapping.allow(MprotectFlags::READ | MprotectFlags::WRITE)?;
        mapping.put(0, 8);
        Ok(())
    })])
}

fn second_mappings_change_nothing(world: &World) -> Verdict {
    needs!(world.duplicate_mappings, world::NO_DUPLICATES);
    fails(&[("mremap", |file| {
        let second = best_mapping(file)?.duplicate()?;
        second.allow(MprotectFlags::READ | MprotectFlags::WRITE)?;
        second.put(0, 8);
        Ok(())
    })])
}

fn private_mappings_change_nothing(_: &World) -> Verdict {
    is_harmless(&[
        ("a private mapping", |file| {
            let mapping = Mapping::of(file, LEN, Stores::Private, READ | WRITE)?;
            mapping.put(0, 8);
            mapping.put(PAGE, 8);
            Ok(())
        }),
        ("a private mapping that becomes writable", |file| {
            let mapping = Mapping::of(file, LEN, Stores::Private, READ)?;
            mapping.allow(MprotectFlags::READ | MprotectFlags::WRITE)?;
            mapping.put(0, 8);
            Ok(())
        }),
    ])
}

fn punching_holes_changes_nothing(_: &World) -> Verdict {
    fails(&[
        ("a hole", |file| file.punch_hole(0, PAGE as u64)),
        ("a hole within a page", |file| file.punch_hole(10, 1)),
    ])
}

fn removing_pages_changes_nothing(world: &World) -> Verdict {
    needs!(world.advice, world::NO_ADVICE);
    fails(&[("MADV_REMOVE", |file| best_mapping(file)?.remove())])
}

fn cutting_and_lengthening_changes_nothing(_: &World) -> Verdict {
    fails(&[
        ("cutting", |file| file.set_len(PAGE as u64)),
        ("cutting and lengthening", |file| {
            file.set_len(0)?;
            file.set_len(LEN as u64)
        }),
        ("cutting by one", |file| file.set_len(LEN as u64 - 1)),
    ])
}

fn opening_again_changes_nothing(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    fails(&[
        ("opening again and writing", |file| {
            let again = raw::disguise(kernel::reopen(file, OFlags::RDWR)?);
            again.write_at(b"x", 0).map(|_| ())
        }),
        ("opening again for writing only", |file| {
            let again = raw::disguise(kernel::reopen(file, OFlags::WRONLY)?);
            again.write_at(b"x", 0).map(|_| ())
        }),
        ("opening again and mapping", |file| {
            let again = kernel::reopen(file, OFlags::RDWR)?;
            let mapping = Mapping::of(&again, LEN, Stores::Shared, READ | WRITE)?;
            mapping.put(0, 8);
            Ok(())
        }),
        ("opening again and cutting", |file| {
            kernel::reopen(file, OFlags::RDWR | OFlags::TRUNC).map(|_| ())
        }),
    ])
}

pub(crate) fn writes_memory() -> bool {
    let Ok(mapping) = Mapping::zeros(PAGE) else {
        return false;
    };
    let me = rustix::process::getpid().as_raw_nonzero().get();
    attacks::write_memory(me, mapping.address(0), b"x") == Ok(1)
}

fn writing_to_memory_by_address_changes_nothing(_: &World) -> Verdict {
    needs!(writes_memory(), attacks::NO_MEMORY_WRITES);
    fails(&[("process_vm_writev", |file| {
        let mapping = best_mapping(file)?;
        let me = rustix::process::getpid().as_raw_nonzero().get();
        attacks::write_memory(me, mapping.address(0), b"x").map(|_| ())
    })])?;
    // The library's own map cannot be written either.
    for victim in VICTIMS {
        let (sealed, _) = victim()?;
        let map = ok!(sealed.map());
        let me = rustix::process::getpid().as_raw_nonzero().get();
        refused!(attacks::write_memory(me, map.as_ptr(), b"x"), Errno::EFAULT);
        is_unchanged("process_vm_writev", &sealed, &map)?;
    }
    Ok(())
}

fn writing_to_memory_through_proc_changes_nothing(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let works = Mapping::zeros(PAGE)
        .is_ok_and(|page| attacks::write_own_memory(page.address(0), b"x") == Ok(1));
    needs!(works, attacks::NO_MEMORY_WRITES);
    fails(&[("/proc/self/mem", |file| {
        let mapping = best_mapping(file)?;
        attacks::write_own_memory(mapping.address(0), b"x").map(|_| ())
    })])?;
    for victim in VICTIMS {
        let (sealed, _) = victim()?;
        let map = ok!(sealed.map());
        refused!(
            attacks::write_own_memory(map.as_ptr(), b"x"),
            Errno::EIO | Errno::EFAULT
        );
        is_unchanged("/proc/self/mem", &sealed, &map)?;
    }
    // What a private mapping of the same file lets happen.
    let (sealed, _) = VICTIMS[0]()?;
    let private = ok!(Mapping::of(&sealed, LEN, Stores::Private, READ));
    match attacks::write_own_memory(private.address(0), b"x") {
        Ok(_) => same!(private.get(0), b'x'),
        Err(Errno::EIO) => return Err(Stop::Skipped(attacks::NO_UNTRACED_WRITES)),
        Err(error) => fail!("{error:?}"),
    }
    same!(kernel::holds_exactly(&sealed, &CONTENT), Ok(true));
    Ok(())
}

/// Writes into the memory of a process.
type Intrusion = fn(Pid, *const u8) -> Result<(), Errno>;

/// The intrusion of one process changes a private mapping of a sealed file in another process. It
/// does not change the library's map there. `otherwise` is why it may not even change the private
/// one.
fn does_not_reach_a_map(
    name: &str,
    intrusion: Intrusion,
    allowed: ProtFlags,
    otherwise: &'static str,
) -> Verdict {
    let mut works = true;
    for victim in VICTIMS {
        let (sealed, _) = victim()?;
        let map = ok!(sealed.map());
        let private = ok!(Mapping::of(&sealed, LEN, Stores::Private, allowed));
        let steps = ok!(Steps::new());
        let child = ok!(Child::start(Descriptors::Copied, || {
            steps.wait_for(REFUSED)?;
            is_unchanged(name, &sealed, &map)?;
            same!(private.get(0) != CONTENT[0], steps.has_reached(DONE));
            Ok(())
        }));
        refused!(
            intrusion(child.pid(), map.as_ptr()),
            Errno::EIO | Errno::EFAULT | Errno::EPERM | Errno::EACCES | Errno::ENOSYS
        );
        match intrusion(child.pid(), private.address(0)) {
            Ok(()) => steps.reach(DONE),
            // Not every kernel does this, and not for everybody.
            Err(Errno::EIO | Errno::EPERM | Errno::EACCES | Errno::ENOSYS) => {
                works = false;
                steps.reach(REFUSED);
            }
            Err(error) => fail!("{name} fails with {error:?}"),
        }
        child.finish(PATIENCE)?;
        is_unchanged(name, &sealed, &map)?;
    }
    needs!(works, otherwise);
    Ok(())
}

/// What was tried on the private mapping, as steps.
const REFUSED: u32 = 1;
const DONE: u32 = 2;

fn another_process_changes_no_map_through_proc(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let write: Intrusion = |pid, address| {
        let pid = pid.as_raw_nonzero().get();
        attacks::write_memory_of(pid, address, b"x").map(|_| ())
    };
    does_not_reach_a_map("/proc/PID/mem", write, READ, attacks::NO_UNTRACED_WRITES)
}

fn another_process_changes_no_map_by_address(_: &World) -> Verdict {
    let write: Intrusion = |pid, address| {
        let pid = pid.as_raw_nonzero().get();
        attacks::write_memory(pid, address, b"x").map(|_| ())
    };
    // The kernel forces nothing here.
    does_not_reach_a_map("process_vm_writev", write, READ | WRITE, world::NO_TRACING)
}

fn a_debugger_changes_no_map(_: &World) -> Verdict {
    does_not_reach_a_map(
        "PTRACE_POKEDATA",
        |pid, address| attacks::Debugged::stop(pid)?.poke(address, 0),
        READ,
        world::NO_TRACING,
    )
}

fn a_debugger_changes_no_map_through_proc(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    // Some kernels let only a debugger write so.
    let write: Intrusion = |pid, address| {
        let _debugged = attacks::Debugged::stop(pid)?;
        let pid = pid.as_raw_nonzero().get();
        attacks::write_memory_of(pid, address, b"x").map(|_| ())
    };
    does_not_reach_a_map("a debugger's /proc/PID/mem", write, READ, world::NO_TRACING)
}

fn a_uprobe_changes_no_map(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let mut code = [0; LEN];
    for instruction in code.chunks_exact_mut(4) {
        instruction.copy_from_slice(&attacks::NOTHING);
    }
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", &code));
    let map = ok!(sealed.map());
    let private = ok!(Mapping::of(&sealed, LEN, Stores::Private, READ));
    let is_private_unchanged = || (0..4).all(|index| private.get(index) == code[index]);

    let mut room = [0; 16];
    let path = Text::of(format_args!(
        "/proc/{}/fd/{}\0",
        ok!(kernel::number_in_proc(&mut room)),
        sealed.as_raw_fd()
    ));
    let steps = ok!(Steps::new());
    let mut prober = ok!(Child::start(Descriptors::Copied, || {
        let probe = match attacks::Uprobe::on(path.path()) {
            Err(Errno::ENOENT | Errno::EACCES | Errno::EPERM | Errno::ENOSYS) => {
                return Err(Stop::Skipped(attacks::NO_UPROBES));
            }
            result => ok!(result),
        };
        steps.reach(1);
        steps.wait_for(2)?;
        drop(probe);
        Ok(())
    }));
    prober.reaches(1, &steps)?;
    holds!(
        !is_private_unchanged(),
        "the uprobe changes no private mapping"
    );
    holds!(*map == code, "the uprobe changes a map");
    holds!(*ok!(sealed.map()) == code, "the uprobe changes a new map");
    holds!(*ok!(sealed.map_range(..4)) == code[..4]);
    same!(kernel::holds_exactly(&sealed, &code), Ok(true));
    steps.reach(2);
    prober.finish(PATIENCE)?;
    holds!(is_private_unchanged());
    holds!(*map == code, "the uprobe's end changes a map");
    Ok(())
}

fn another_processs_memory_is_not_written_by_address(_: &World) -> Verdict {
    needs!(writes_memory(), attacks::NO_MEMORY_WRITES);
    let (sealed, _) = VICTIMS[3]()?;
    let map = ok!(sealed.map());
    let victim = rustix::process::getpid().as_raw_nonzero().get();
    children::apart(|| {
        match attacks::write_memory(victim, map.as_ptr(), b"x") {
            // The process may not write to any memory of the other one, or not to this page.
            Err(Errno::EPERM | Errno::EFAULT) => Ok(()),
            result => fail!("{result:?}"),
        }
    })?;
    is_unchanged("process_vm_writev", &sealed, &map)
}

fn filling_holes_by_faults_changes_nothing(_: &World) -> Verdict {
    const LEN: usize = 2 * attacks::LARGEST_PAGE;
    let faults = attacks::Faults::new();
    needs!(faults.is_ok(), attacks::NO_USERFAULTFD);
    let faults = ok!(faults);
    let source = ok!(Mapping::zeros(LEN));
    source.put(0, 8);
    let make = || {
        let file = kernel::sealable()?;
        file.set_len(LEN as u64)?;
        Ok::<_, Errno>(file)
    };
    // It changes a file that is not sealed.
    let open = ok!(make());
    let mapping = ok!(Mapping::of(&open, LEN, Stores::Shared, READ | WRITE));
    ok!(faults.register(mapping.address(0), LEN));
    ok!(faults.fill(mapping.address(0), &source, LEN));
    let mut found = [0];
    ok!(open.read_exact_at(&mut found, 0));
    same!(found, [8]);
    drop(mapping);
    // A sealed hole stays a hole, whichever mapping is used.
    let file = ok!(make());
    let attacker = ok!(file.try_clone());
    let sealed = ok!(file.seal());
    let map = ok!(sealed.map());
    for stores in [Stores::Shared, Stores::Private] {
        let mapping = match Mapping::of(&attacker, LEN, stores, READ) {
            Err(error) if stores == Stores::Shared => {
                same!(error, Errno::EPERM);
                continue;
            }
            result => ok!(result),
        };
        match faults.register(mapping.address(0), LEN) {
            Ok(()) => {
                holds!(stores == Stores::Private);
                // This fills only the private mapping, which was about to get a page of its own.
                let _ = faults.fill(mapping.address(0), &source, LEN);
            }
            Err(error) => same!(error, Errno::EPERM),
        }
        ok!(sealed.read_at(&mut found, 0));
        same!(found, [0]);
    }
    drop(faults);
    holds!(map.iter().all(|byte| *byte == 0));
    holds!(ok!(sealed.map()).iter().all(|byte| *byte == 0));
    Ok(())
}

fn a_pin_from_before_changes_nothing(_: &World) -> Verdict {
    // The page is pinned and then taken out of the file. Sealing neither sees the pin nor needs
    // to. A page that is a part of a larger one cannot be taken out, so sealing waits for it.
    let file = ok!(kernel::holding(&CONTENT));
    let attacker = ok!(file.try_clone());
    let (read_end, write_end) = ok!(kernel::pipe());
    let mapping = ok!(Mapping::of(&file, LEN, Stores::Shared, READ | WRITE));
    holds!(ok!(mapping.pin_into(&write_end)) > 0);
    drop(mapping);
    ok!(file.punch_hole(0, LEN as u64));
    ok!(file.write_all_at(&CONTENT, 0));
    let mut found = [0; LEN];
    let sealed = match file.seal() {
        Ok(sealed) => sealed,
        Err(refused) => {
            same!(
                refused.kind(),
                VerifyErrorKind::Seal(SealError::MappedOrPinned)
            );
            same!(kernel::read(&read_end, &mut found), Ok(LEN));
            ok!(refused.into_inner().seal())
        }
    };
    let map = ok!(sealed.map());
    drop((read_end, write_end));
    holds!(attacker.write_at(b"x", 0).is_err());
    is_unchanged("a pin", &sealed, &map)
}

fn what_is_allowed_changes_nothing(_: &World) -> Verdict {
    is_harmless(&[
        ("allocating", |file| file.allocate(0, LEN as u64)),
        ("allocating quietly", |file| {
            kernel::allocate_keeping_size(file, 0, LEN as u64)
        }),
        ("lengthening", |file| file.set_len(10 * LEN as u64)),
        ("allocating behind", |file| {
            file.allocate(LEN as u64, LEN as u64)
        }),
        ("setting the same length", |file| file.set_len(LEN as u64)),
        ("changing the mode", |file| file.set_mode(0)),
        ("changing the times", |file| kernel::reset_times(file)),
        ("appending", |file| {
            kernel::set_status_flags(file, OFlags::APPEND)
        }),
        ("moving the offset", |file| {
            file.seek(SeekFrom::Start(1 << 40)).map(|_| ())
        }),
        ("writing nothing", |file| file.write(b"").map(|_| ())),
        ("more seals", |file| file.add_seals(Seals::KNOWN)),
    ])
}

fn what_does_not_need_the_file_changes_nothing(_: &World) -> Verdict {
    // The last descriptor is closed, and memory is requested meanwhile.
    for victim in VICTIMS {
        let (sealed, attacker) = victim()?;
        let map = ok!(sealed.map());
        drop((sealed, attacker));
        for _ in 0..3 {
            let other = ok!(SealedMemFd::copy_from_slice(c"other", &[9; LEN]));
            holds!(*ok!(other.map()) == [9; LEN]);
            kernel::sleep(Duration::from_millis(1));
        }
        holds!(*map == CONTENT);
    }
    Ok(())
}
