//! Claims about huge pages for what a new file is filled with: that it gets them, that nothing
//! else changes by it, and that no limit is exceeded.

use crate::{
    Verdict, World,
    attacks::{self, NoMemory},
    children::{self, Supervisor},
    kernel::{self, PAGE},
    parties::{self, Ended},
    raw::{self, Buffer, Descriptors, Response, Which},
    world::{self, EXTENT},
};
use core::time::Duration;
use linux_raw_sys::general;
use owned_memfd::{
    CreateError, Errno, MemFdOptions, SealedMemFd, SeekFrom, VerifyErrorKind,
    fd::{AsFd, OwnedFd},
};
use rustix::{
    mount::{MountFlags, UnmountFlags},
    process::Resource,
};

claims!(
    what_fills_whole_extents_is_on_huge_pages,
    what_the_options_forbid_is_on_small_pages,
    what_the_kernel_refuses_is_on_small_pages_and_no_error,
    a_call_that_is_forbidden_is_no_error,
    a_child_that_is_forked_meanwhile_gets_nothing_that_writes,
    what_was_filled_is_read_from_its_start,
    a_refusal_ends_the_attempts,
    no_file_keeps_more_memory_than_its_length,
    what_is_filled_at_the_processs_limit_is_whole,
    sealing_what_was_collapsed_is_never_busy,
    a_source_that_gets_shorter_leaves_no_more_than_was_copied,
    filling_is_an_error_where_memory_runs_out,
    a_control_group_with_room_for_a_file_has_it_on_huge_pages_too,
);

/// The ways to fill a file with this content. The last argument of the writers is the capacity.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Built,
    Copied,
    /// From a file that is not sealed. It has no options.
    Received,
    /// Through a buffer of this size, with this capacity.
    Written(usize, usize),
}

const KIB_16: usize = 16 * 1024;

/// Every way. `len` is the length of the content.
const fn ways(len: usize) -> [Way; 7] {
    [
        Way::Built,
        Way::Copied,
        Way::Received,
        Way::Written(0, len),
        Way::Written(KIB_16, len),
        // The length is not known, or wrong.
        Way::Written(KIB_16, 0),
        Way::Written(1000, 5 * EXTENT + 1),
    ]
}

impl Way {
    fn fill(self, options: MemFdOptions, content: &[u8]) -> Result<SealedMemFd, CreateError> {
        match self {
            Self::Built => options.create_with(c"suite", content.len(), |bytes| {
                bytes.copy_from_slice(content);
            }),
            Self::Copied => options.copy_from_slice(c"suite", content),
            Self::Received => {
                let source: OwnedFd = MemFdOptions::new().create(c"suite")?.into();
                let sender = kernel::dup(&source)?;
                for (index, piece) in content.chunks(KIB_16).enumerate() {
                    let offset = (index * KIB_16) as u64;
                    raw::disguise(kernel::dup(&sender)?)
                        .write_all_at(piece, offset)
                        .map_err(Errno::from)?;
                }
                SealedMemFd::verify_or_copy(source, usize::MAX).map_err(|error| error.kind().into())
            }
            Self::Written(buffer, capacity) => {
                // Not mapped: some claims forbid that.
                let mut room = [0; KIB_16];
                let buffer = &mut room[..buffer];
                let mut writer = options.writer_with_capacity(c"suite", capacity, buffer)?;
                for piece in content.chunks(10_000) {
                    writer.write_all(piece)?;
                }
                writer.finish()
            }
        }
    }

    /// How many bytes of a file of this length are on huge pages.
    const fn huge_bytes(self, len: usize) -> usize {
        let whole = len - len % EXTENT;
        match self {
            // The first extent is begun before it is known that it will be filled, and the last
            // one is cut off again.
            Self::Written(_, 0) => whole.saturating_sub(EXTENT),
            _ => whole,
        }
    }

    const fn has_options(self) -> bool {
        !matches!(self, Self::Received)
    }
}

/// Bytes that differ from page to page, and within one.
fn content(len: usize) -> Result<Buffer, Errno> {
    let mut content = Buffer::new(len)?;
    for (at, byte) in content.iter_mut().enumerate() {
        *byte = kernel::pattern((at + at / PAGE) as u64);
    }
    Ok(content)
}

fn holds(sealed: &SealedMemFd, content: &[u8], way: Way) -> Verdict {
    holds!(*ok!(sealed.map()) == *content, "{way:?}");
    Ok(())
}

/// The memory that a file takes on pages of the usual size, and not more.
fn takes_no_more(file: &impl AsFd, len: usize, way: Way) -> Verdict {
    let page = ok!(attacks::page_size());
    let (takes, most) = (ok!(attacks::allocated(file)), len.next_multiple_of(page));
    holds!(takes <= most as u64, "{way:?}: {takes} bytes for {len}");
    Ok(())
}

fn what_fills_whole_extents_is_on_huge_pages(world: &World) -> Verdict {
    needs!(world.huge_by_collapse, world::NOT_HUGE_BY_COLLAPSE);
    for len in [EXTENT, 2 * EXTENT + PAGE + 5] {
        let content = ok!(content(len));
        for way in ways(len) {
            // The library gives up where the kernel says that it may work later.
            let mut attempts = 0..20;
            loop {
                let sealed = ok!(way.fill(MemFdOptions::new(), &content));
                holds(&sealed, &content, way)?;
                let huge = ok!(kernel::huge_bytes(&sealed, len));
                if huge >= way.huge_bytes(len) {
                    break;
                }
                holds!(attempts.next().is_some(), "{way:?} of {len}: {huge}");
                kernel::sleep(Duration::from_millis(2));
            }
        }
    }
    Ok(())
}

fn what_the_options_forbid_is_on_small_pages(world: &World) -> Verdict {
    needs!(world.huge_by_collapse, world::NOT_HUGE_BY_COLLAPSE);
    let len = EXTENT;
    let content = ok!(content(len));
    for way in ways(len) {
        // Or else it is on small pages anyway.
        if !way.has_options() || way.huge_bytes(len) == 0 {
            continue;
        }
        let sealed = ok!(way.fill(MemFdOptions::new().collapse(false), &content));
        holds(&sealed, &content, way)?;
        same!(kernel::huge_bytes(&sealed, len), Ok(0));
    }
    Ok(())
}

/// The calls that ask for huge pages.
const COLLAPSE: Which = Which::Equal(sc::nr::MADVISE, 2, general::MADV_COLLAPSE);

fn what_the_kernel_refuses_is_on_small_pages_and_no_error(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let len = EXTENT + 5;
    let content = ok!(content(len));
    for way in ways(len) {
        // No such advice, and no huge page.
        for error in [Errno::EINVAL, Errno::ENOMEM] {
            children::apart(|| {
                ok!(raw::refuse(COLLAPSE, error));
                let sealed = ok!(way.fill(MemFdOptions::new(), &content));
                holds(&sealed, &content, way)?;
                takes_no_more(&sealed, len, way)?;
                if world.huge_by_collapse {
                    same!(kernel::huge_bytes(&sealed, len), Ok(0));
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn a_call_that_is_forbidden_is_no_error(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let len = EXTENT + 5;
    let content = ok!(content(len));
    for number in [
        sc::nr::FTRUNCATE,
        sc::nr::MMAP,
        sc::nr::MADVISE,
        sc::nr::PRLIMIT64,
    ] {
        for way in ways(len) {
            // It cannot do without the others.
            if matches!(way, Way::Built) && number != sc::nr::PRLIMIT64 {
                continue;
            }
            children::apart(|| {
                ok!(raw::refuse(Which::All(number), Errno::EPERM));
                let sealed = ok!(way.fill(MemFdOptions::new(), &content));
                // The map is what may be forbidden.
                let mut room = [0; KIB_16];
                same!(sealed.len(), len);
                let mut reader = sealed.reader(&mut []);
                for piece in content.chunks(KIB_16) {
                    let read = &mut room[..piece.len()];
                    ok!(reader.read_exact(read));
                    holds!(read == piece, "{way:?}");
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

fn a_child_that_is_forked_meanwhile_gets_nothing_that_writes(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let len = EXTENT + 5;
    let content = ok!(content(len));
    for way in ways(len) {
        children::apart(|| {
            // Such a mapping in a child would prevent sealing, however short it is here.
            let shared = Which::Equal(sc::nr::MMAP, 3, general::MAP_SHARED);
            let supervisor = Supervisor::of(shared, &[])?;
            ok!(way.fill(MemFdOptions::new(), &content));
            match way {
                // This lends it out.
                Way::Built => holds!(supervisor.calls() > 0),
                _ => same!((way, supervisor.calls()), (way, 0)),
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn what_was_filled_is_read_from_its_start(world: &World) -> Verdict {
    for len in [5, EXTENT + 5] {
        let content = ok!(content(len));
        for way in ways(len) {
            // With a copy by the kernel, and without.
            for refused in [false, world.filters] {
                children::apart(|| {
                    if refused {
                        let copying = Which::All(sc::nr::COPY_FILE_RANGE);
                        ok!(raw::refuse(copying, Errno::ENOSYS));
                    }
                    let sealed = ok!(way.fill(MemFdOptions::new(), &content));
                    let again = raw::disguise(ok!(kernel::dup(&sealed)));
                    same!((way, again.seek(SeekFrom::Current(0))), (way, Ok(0)));
                    holds(&sealed, &content, way)
                })?;
                if !matches!(way, Way::Received) {
                    break;
                }
            }
        }
    }
    Ok(())
}

fn a_refusal_ends_the_attempts(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let len = 2 * EXTENT + 5;
    let content = ok!(content(len));
    for way in ways(len) {
        children::apart(|| {
            let supervisor = Supervisor::of(COLLAPSE, &[Response::Error(Errno::ENOMEM); 9])?;
            let sealed = ok!(way.fill(MemFdOptions::new(), &content));
            holds(&sealed, &content, way)?;
            let calls = supervisor.calls();
            // Linux 5.10 refuses what comes before it.
            holds!(calls == 1 || calls == 0 && !world.collapse, "{calls}");
            Ok(())
        })?;
    }
    Ok(())
}

fn no_file_keeps_more_memory_than_its_length(_: &World) -> Verdict {
    let lengths = [1, PAGE + 1, EXTENT - 1, EXTENT, EXTENT + PAGE + 1];
    for len in lengths {
        let content = ok!(content(len));
        for way in ways(len) {
            let sealed = ok!(way.fill(MemFdOptions::new(), &content));
            holds(&sealed, &content, way)?;
            takes_no_more(&sealed, len, way)?;
        }
    }
    Ok(())
}

fn what_is_filled_at_the_processs_limit_is_whole(world: &World) -> Verdict {
    // Above the limit, the signal kills.
    for (len, is_known) in [
        (EXTENT, true),
        (EXTENT + PAGE + 5, true),
        (EXTENT + PAGE + 5, false),
    ] {
        let content = ok!(content(len));
        for way in ways(len) {
            if !is_known && !world.filters {
                continue;
            }
            children::apart(|| {
                ok!(parties::stop_ignoring(general::SIGXFSZ));
                // If it is not known, the kernel looks for the end of a source above it.
                let end = u64::from(!is_known && matches!(way, Way::Received));
                ok!(kernel::limit(Resource::Fsize, len as u64 + end));
                if !is_known {
                    ok!(raw::refuse(Which::All(sc::nr::PRLIMIT64), Errno::EPERM));
                }
                let sealed = ok!(way.fill(MemFdOptions::new(), &content));
                holds(&sealed, &content, way)
            })?;
        }
    }
    Ok(())
}

fn sealing_what_was_collapsed_is_never_busy(world: &World) -> Verdict {
    needs!(world.huge_by_collapse, world::NOT_HUGE_BY_COLLAPSE);
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let len = EXTENT + 5;
    let content = ok!(content(len));
    // The library would try again. So the attempts are counted.
    let supervisor = Supervisor::of(Which::Sealing(owned_memfd::Seals::WRITE.bits()), &[])?;
    let mut expected = 0;
    for _ in 0..20 {
        for way in [Way::Built, Way::Copied, Way::Written(KIB_16, len)] {
            ok!(way.fill(MemFdOptions::new(), &content));
            expected += 1;
        }
    }
    same!(supervisor.calls(), expected);
    Ok(())
}

fn a_source_that_gets_shorter_leaves_no_more_than_was_copied(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let len = 2 * EXTENT;
    let content = ok!(content(len));
    for rest in [0, 5, PAGE, EXTENT, EXTENT + 5] {
        let sender = ok!(kernel::sealable());
        ok!(sender.write_all_at(&content, 0));
        let descriptor = ok!(kernel::dup(&sender));
        let held = ok!(raw::hold(Which::All(sc::nr::COPY_FILE_RANGE)));
        let cutting = ok!(children::Child::start(Descriptors::Copied, || loop {
            // Its length was asked for before.
            ok!(held.respond(|| {
                let _ = sender.set_len(rest as u64);
                Response::LetThrough
            }));
        }));
        let sealed = ok!(SealedMemFd::verify_or_copy(descriptor, len));
        drop(cutting);
        same!(sealed.len(), rest);
        takes_no_more(&sealed, rest, Way::Received)?;
    }
    Ok(())
}

fn filling_is_an_error_where_memory_runs_out(world: &World) -> Verdict {
    let machine = NoMemory::prepare(world)?;
    let len = 3 * EXTENT;
    let content = ok!(content(len));
    // What is copied is there before.
    let source = ok!(kernel::sealable());
    ok!(source.write_all_at(&content, 0));
    let mut buffer = ok!(Buffer::new(KIB_16));
    buffer.fill(1);
    ok!(machine.begin());
    let built = SealedMemFd::create_with(c"suite", len, |bytes| bytes.fill(7));
    let small = SealedMemFd::create_with(c"suite", 1, |bytes| bytes.fill(7));
    let copied = SealedMemFd::copy_from_slice(c"suite", &content);
    let received = SealedMemFd::verify_or_copy(source.into(), len);
    let written = MemFdOptions::new()
        .writer_with_capacity(c"suite", len, &mut buffer)
        .and_then(|mut writer| {
            // The first one may go to the buffer.
            let _ = writer.write_all(&content);
            writer.finish()
        });
    drop(machine);
    let refused = CreateError::Kernel(Errno::ENOSPC);
    same!(built.err(), Some(refused));
    same!(small.err(), Some(refused));
    same!(copied.err(), Some(refused));
    same!(written.err(), Some(refused));
    same!(
        received.err().map(|error| error.kind()),
        Some(VerifyErrorKind::Kernel(Errno::ENOSPC))
    );
    Ok(())
}

/// A control group, which goes with this.
struct Group;

impl Group {
    const PLACE: &core::ffi::CStr = c"/tmp/groups";
    const CONTROL: &core::ffi::CStr = c"/tmp/groups/cgroup.subtree_control";
    const GROUP: &core::ffi::CStr = c"/tmp/groups/suite";
    const LIMIT: &core::ffi::CStr = c"/tmp/groups/suite/memory.max";
    const MEMBERS: &core::ffi::CStr = c"/tmp/groups/suite/cgroup.procs";

    fn new(world: &World) -> Result<Self, crate::Stop> {
        needs!(world.machine, world::NO_OWN_MACHINE);
        ok!(kernel::directory(Self::PLACE));
        let flags = MountFlags::empty();
        ok!(rustix::mount::mount(
            c"none",
            Self::PLACE,
            c"cgroup2",
            flags,
            None
        ));
        ok!(kernel::write_number(Self::CONTROL, "+memory"));
        ok!(kernel::directory(Self::GROUP));
        Ok(Self)
    }

    /// How a process ends that fills a file in the group, of which this is the limit.
    fn filled_within(
        limit: usize,
        way: Way,
        options: MemFdOptions,
        content: &[u8],
    ) -> Result<Ended, Errno> {
        kernel::write_number(Self::LIMIT, limit)?;
        let pid = raw::fork(Descriptors::Copied, || {
            if kernel::write_number(Self::MEMBERS, 0).is_err() {
                return 1;
            }
            match way.fill(options, content) {
                Ok(_) => 0,
                Err(CreateError::Kernel(Errno::ENOMEM | Errno::ENOSPC)) => 2,
                Err(_) => 3,
            }
        })?;
        parties::wait(pid)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // If this fails, the next claims show it.
        let _ = kernel::remove_directory(Self::GROUP);
        let _ = rustix::mount::unmount(Self::PLACE, UnmountFlags::DETACH);
        let _ = kernel::remove_directory(Self::PLACE);
    }
}

fn a_control_group_with_room_for_a_file_has_it_on_huge_pages_too(world: &World) -> Verdict {
    const SIGKILL: i32 = general::SIGKILL as i32;
    let _group = Group::new(world)?;
    let len = EXTENT + 5;
    let content = ok!(content(len));
    for way in [
        Way::Built,
        Way::Copied,
        Way::Received,
        Way::Written(KIB_16, 0),
        Way::Written(KIB_16, 5 * EXTENT + 1),
    ] {
        let (mut killed, mut filled) = (0, 0);
        // A source takes as much.
        let others = if matches!(way, Way::Received) { len } else { 0 };
        let least = others + len - EXTENT / 2;
        for limit in (least..least + EXTENT + EXTENT / 2).step_by(EXTENT / 2) {
            let [without, with] = [false, true].map(|yes| {
                let options = MemFdOptions::new().collapse(yes);
                Group::filled_within(limit, way, options, &content)
            });
            let (without, with) = (ok!(without), ok!(with));
            // Where there is no room, the kernel kills, as it did without huge pages. That is not
            // a SIGBUS, which would be a fault of the library.
            for ended in [without, with] {
                holds!(
                    matches!(ended, Ended::Exited(0 | 2) | Ended::Killed(SIGKILL)),
                    "{way:?} in {limit}: {ended:?}"
                );
            }
            if without == Ended::Exited(0) {
                same!((limit, with), (limit, Ended::Exited(0)));
                filled += 1;
            } else {
                killed += 1;
            }
        }
        holds!(killed > 0 && filled > 0, "{way:?}: {killed}, {filled}");
    }
    Ok(())
}
