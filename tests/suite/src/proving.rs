//! Claims about the proof that a file cannot change: which files are accepted, and which files of
//! a stranger are not.

use crate::{
    Verdict, World, attacks,
    children::{self, Child, PATIENCE, Steps},
    claim::Text,
    kernel::{self, PAGE, READ, WRITE},
    raw::{self, Descriptors, Held, Mapping, Response, Stores, Which},
    strangers, world,
};
use core::cell::Cell;
use owned_memfd::{
    BorrowedMemFd, BorrowedSealedMemFd, Errno, MapError, MemFdFlags, OwnedMemFd, SealedMemFd,
    Seals, SeekFrom, VerifyErrorKind,
    exec::ExecError,
    fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd},
    has_cve_2026_63952,
};
use rustix::{fs::OFlags, thread::UnshareFlags};

// The reasons for which claims are skipped.
pub(crate) const NO_FORGERY: &str = "this kernel does not have CVE-2026-63952";
pub(crate) const FORGERY: &str = "this kernel has CVE-2026-63952";

claims!(
    every_set_of_seals_is_judged_by_what_it_promises,
    a_proof_needs_no_permission_to_write,
    a_descriptor_that_cannot_be_read_is_proven_but_not_mapped,
    a_memory_file_is_proven_without_adding_seals,
    a_proof_leaves_the_descriptor_as_it_was,
    a_clone_has_the_same_proof,
    a_directory_is_refused,
    a_block_device_is_refused,
    what_can_block_is_refused,
    a_descriptor_of_a_process_is_refused,
    a_named_pipe_is_refused,
    a_character_device_is_refused,
    a_terminal_is_refused,
    a_proof_of_what_is_lent_closes_nothing,
    a_proof_of_what_is_lent_is_copied_and_outlives_its_lenders_reference,
    a_proof_is_lent_without_a_call,
    who_lends_one_descriptor_after_the_other_is_asked_once,
    what_is_an_ordinary_file_is_refused,
    a_file_of_a_tmpfs_is_refused,
    a_file_of_a_hugetlbfs_is_refused,
    a_file_of_an_initramfs_is_refused,
    secret_memory_is_refused,
    a_descriptor_without_access_is_refused,
    a_descriptor_that_is_not_open_is_refused,
    a_file_that_is_too_long_is_refused,
    a_file_of_the_largest_length_is_proven,
    an_empty_file_is_proven,
    another_length_than_the_one_demanded_is_refused,
    a_file_on_huge_pages_is_proven_like_any_other,
    a_sender_that_keeps_a_writable_mapping_is_refused,
    a_sender_that_can_still_cut_is_refused,
    the_length_is_that_of_the_proof_whatever_the_file_becomes,
    the_length_is_that_of_the_proof_while_huge_pages_grow,
    a_file_that_grows_between_two_questions_is_proven_at_one_length,
    a_file_that_grows_between_two_questions_is_not_proven_whole,
    a_file_that_is_cut_before_it_is_sealed_is_proven_at_what_is_left,
    seals_that_come_between_two_questions_prove_nothing_yet,
    a_kernel_that_once_refuses_to_tell_the_seals_is_not_taken_for_a_yes,
    a_kernel_that_refuses_to_tell_the_length_is_not_taken_for_a_yes,
    forged_seals_are_refused_where_they_can_be_forged,
    doubtful_seals_are_proof_where_none_can_be_forged,
    a_kernel_that_forges_seals_is_not_believed,
    a_kernel_that_cannot_be_tried_is_not_believed,
    a_kernel_that_could_not_be_tried_is_tried_again,
    a_kernel_is_tried_where_nothing_is_executable,
    a_kernel_is_tried_where_a_filter_hides_the_exec_flags,
    a_kernel_can_be_tried_beforehand,
    a_verification_makes_only_the_calls_that_it_says,
    a_kernel_is_tried_once_and_only_where_it_matters,
);

const WHOLE: usize = usize::MAX;

/// The seals that every proof needs.
const PROOF: Seals = Seals::WRITE.union(Seals::SHRINK);

/// The seals of a file that had an execute bit when `F_SEAL_EXEC` was added.
const DOUBTFUL: Seals = PROOF
    .union(Seals::GROW)
    .union(Seals::FUTURE_WRITE)
    .union(Seals::EXEC);

/// The file is proven to be immutable, and has this content.
fn is_proven(fd: OwnedFd, content: &[u8]) -> Verdict {
    let number = fd.as_raw_fd();
    let borrowed = ok!(BorrowedSealedMemFd::verify(&fd, WHOLE));
    same!(borrowed.as_raw_fd(), number);
    holds!(*ok!(borrowed.map()) == *content);
    match SealedMemFd::verify(fd, WHOLE) {
        Ok(sealed) => {
            same!(sealed.as_raw_fd(), number);
            same!(sealed.len(), content.len());
            same!(sealed.is_empty(), content.is_empty());
            holds!(ok!(sealed.seals()).contains(PROOF));
            holds!(*ok!(sealed.map()) == *content);
            Ok(())
        }
        Err(refused) => fail!("refused: {:?}", refused.kind()),
    }
}

/// Every function that verifies rejects the descriptor for this reason. The error returns it open
/// and unchanged.
fn is_refused(fd: OwnedFd, reason: VerifyErrorKind) -> Verdict {
    let number = fd.as_raw_fd();
    let before = (
        kernel::status_flags(&fd),
        kernel::close_on_exec(&fd),
        raw::seals(&fd),
    );
    same!(BorrowedSealedMemFd::verify(&fd, WHOLE).err(), Some(reason));
    same!(
        BorrowedSealedMemFd::try_from(fd.as_fd()).err(),
        Some(reason)
    );
    let Err(refused) = SealedMemFd::verify(fd, WHOLE) else {
        fail!("proven, and not refused with {reason:?}");
    };
    same!(refused.kind(), reason);
    let Err(refused) = SealedMemFd::try_from(refused.into_inner()) else {
        fail!("converted, and not refused with {reason:?}");
    };
    same!(refused.kind(), reason);
    let fd: OwnedFd = refused.into_inner();
    let Err(refused) = SealedMemFd::try_from(raw::disguise(fd)) else {
        fail!("taken for a memory file, and not refused with {reason:?}");
    };
    same!(refused.kind(), reason);
    let fd: OwnedFd = refused.into_inner().into();
    same!(fd.as_raw_fd(), number);
    same!(
        (
            kernel::status_flags(&fd),
            kernel::close_on_exec(&fd),
            raw::seals(&fd),
        ),
        before
    );
    drop(fd);
    holds!(!raw::is_open(number));
    Ok(())
}

/// The correct result for a set of seals.
fn judgement(seals: Seals, forgeable: bool) -> Result<(), VerifyErrorKind> {
    if seals.contains(PROOF) {
        if forgeable && seals.contains(Seals::EXEC | Seals::FUTURE_WRITE) {
            return Err(VerifyErrorKind::ForgeableSeals);
        }
        return Ok(());
    }
    if seals.contains(Seals::FUTURE_WRITE) && !seals.contains(Seals::WRITE) {
        return Err(VerifyErrorKind::FutureWriteOnly);
    }
    Err(VerifyErrorKind::MissingSeals(PROOF - seals))
}

fn every_set_of_seals_is_judged_by_what_it_promises(world: &World) -> Verdict {
    let all = Seals::SEAL | Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::FUTURE_WRITE;
    // `F_SEAL_EXEC` is set when the file is created.
    let ordinary = MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING;
    let flags = [ordinary, ordinary | MemFdFlags::NOEXEC_SEAL];
    // Only a file with an execute bit can have forged seals, but the seals alone do not show
    // whether it had one.
    let forgeable = world.exec_flags && ok!(attacks::forge(b"x")).is_some();
    let (mut proven, mut refused) = (0, 0);
    for flags in flags {
        if flags != ordinary && !world.exec_flags {
            continue;
        }
        for bits in 0..=all.bits() {
            let seals = Seals::from_bits_retain(bits);
            if seals.contains(Seals::FUTURE_WRITE) && !world.future_write {
                continue;
            }
            let file = ok!(OwnedMemFd::create(c"suite", flags));
            ok!(file.write_all(b"0123"));
            ok!(file.add_seals(seals));
            let seals = ok!(file.seals());
            match judgement(seals, forgeable) {
                Ok(()) => {
                    is_proven(file.into(), b"0123")?;
                    proven += 1;
                }
                Err(reason) => {
                    is_refused(file.into(), reason)?;
                    refused += 1;
                }
            }
        }
    }
    // Both seals are in a quarter of all sets.
    if world.future_write && !forgeable {
        same!(refused, 3 * proven);
    }
    Ok(())
}

/// A file with the two seals that a proof needs, and no other.
fn proof() -> Result<OwnedMemFd, Errno> {
    let file = kernel::holding(b"0123")?;
    file.add_seals(PROOF)?;
    Ok(file)
}

fn a_proof_needs_no_permission_to_write(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(proof());
    is_proven(ok!(kernel::reopen(&file, OFlags::RDONLY)), b"0123")?;
    is_proven(ok!(kernel::reopen(&file, OFlags::RDWR)), b"0123")
}

fn a_descriptor_that_cannot_be_read_is_proven_but_not_mapped(world: &World) -> Verdict {
    needs!(world.proc, world::NO_PROC);
    let file = ok!(proof());
    let sealed = ok!(SealedMemFd::try_from(ok!(kernel::reopen(
        &file,
        OFlags::WRONLY
    ))));
    refused!(sealed.map(), Errno::EACCES);
    refused!(sealed.map_range(1..2), MapError::Kernel(Errno::EACCES));
    refused!(sealed.read_at(&mut [0], 0), Errno::EBADF);
    Ok(())
}

fn a_memory_file_is_proven_without_adding_seals(_: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::try_from(ok!(proof())));
    let seals = ok!(sealed.seals());
    holds!(!seals.intersects(Seals::GROW | Seals::SEAL), "{seals}");
    Ok(())
}

fn a_proof_leaves_the_descriptor_as_it_was(_: &World) -> Verdict {
    let file = ok!(proof());
    same!(file.seek(SeekFrom::Start(3)), Ok(3));
    ok!(file.set_close_on_exec(false));
    let number = file.as_raw_fd();
    let sealed = ok!(SealedMemFd::verify(file.into(), 4));
    let mut found = [0; 2];
    same!(sealed.read_at(&mut found, 1), Ok(2));
    same!(&found, b"12");
    drop(ok!(sealed.map()));
    let file = sealed.into_memfd();
    same!(file.as_raw_fd(), number);
    same!(file.seek(SeekFrom::Current(0)), Ok(3));
    same!(file.close_on_exec(), Ok(false));
    Ok(())
}

fn a_clone_has_the_same_proof(_: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::try_from(ok!(proof())));
    let clone = ok!(sealed.try_clone());
    holds!(clone.as_raw_fd() != sealed.as_raw_fd());
    same!(kernel::close_on_exec(&clone), Ok(true));
    ok!(sealed.into_memfd().set_len(9));
    same!(clone.len(), 4);
    same!(ok!(clone.map()).len(), 4);
    let number = clone.as_raw_fd();
    let fd: OwnedFd = clone.into();
    same!(fd.as_raw_fd(), number);
    Ok(())
}

fn a_directory_is_refused(_: &World) -> Verdict {
    strangers::directory(|fd| is_refused(fd, VerifyErrorKind::NotRegular))
}

fn a_block_device_is_refused(world: &World) -> Verdict {
    strangers::block_device(world, |fd| is_refused(fd, VerifyErrorKind::NotRegular))
}

fn what_can_block_is_refused(_: &World) -> Verdict {
    strangers::blocking_files(|fd| is_refused(fd, VerifyErrorKind::CanBlock))
}

fn a_descriptor_of_a_process_is_refused(_: &World) -> Verdict {
    strangers::process(|fd| is_refused(fd, VerifyErrorKind::CanBlock))
}

fn a_named_pipe_is_refused(world: &World) -> Verdict {
    strangers::named_pipe(world, |fd| is_refused(fd, VerifyErrorKind::CanBlock))
}

fn a_character_device_is_refused(world: &World) -> Verdict {
    strangers::devices(world, |fd| is_refused(fd, VerifyErrorKind::CanBlock))
}

fn a_terminal_is_refused(_: &World) -> Verdict {
    strangers::terminal(|fd| is_refused(fd, VerifyErrorKind::CanBlock))
}

fn a_proof_of_what_is_lent_closes_nothing(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(PROOF));
    let number = file.as_raw_fd();
    let borrowed = ok!(BorrowedSealedMemFd::verify(&file, 4));
    let lent: BorrowedFd<'_> = ok!(BorrowedSealedMemFd::try_from(file.as_fd())).into();
    for fd in [lent, borrowed.as_fd()] {
        same!(fd.as_raw_fd(), number);
    }
    // As a reference to the owner of a proof, for whatever takes one.
    let proven: &SealedMemFd = &borrowed;
    same!(proven.as_raw_fd(), number);
    same!(proven.len(), 4);
    let clone = ok!(proven.try_clone());
    holds!(clone.as_raw_fd() != number);
    let said = Text::of(format_args!("{borrowed:?}"));
    holds!(
        said.as_str().starts_with("BorrowedSealedMemFd"),
        "{borrowed:?}"
    );
    let map = ok!(borrowed.map());
    // It is still its owner's, whether the proof was found or not.
    same!(
        BorrowedSealedMemFd::verify(&file, 3).err(),
        Some(VerifyErrorKind::TooLarge { len: 4, max_len: 3 })
    );
    same!(file.len(), Ok(4));
    drop(file);
    holds!(!raw::is_open(number));
    same!(&map[..], b"0123");
    same!(&ok!(clone.map())[..], b"0123");
    Ok(())
}

/// Lends the one or the other descriptor, in turns.
struct InTurns<'a> {
    descriptors: [BorrowedFd<'a>; 2],
    asked: Cell<usize>,
}

impl<'a> InTurns<'a> {
    fn of(one: &'a OwnedMemFd, other: &'a OwnedMemFd) -> Self {
        Self {
            descriptors: [one.as_fd(), other.as_fd()],
            asked: Cell::new(0),
        }
    }
}

impl AsFd for InTurns<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let asked = self.asked.replace(self.asked.get() + 1);
        self.descriptors[asked % 2]
    }
}

/// The proof lives as long as the descriptor does, not only as long as what lends it.
fn a_proof_of_what_is_lent_is_copied_and_outlives_its_lenders_reference(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(PROOF));
    let number = file.as_raw_fd();
    let kept = {
        let lent: BorrowedFd<'_> = file.as_fd();
        same!(
            BorrowedSealedMemFd::verify_fd(lent, 3).err(),
            Some(VerifyErrorKind::TooLarge { len: 4, max_len: 3 })
        );
        let proven = ok!(BorrowedSealedMemFd::verify_fd(lent, 4));
        let copy = proven;
        same!((copy.as_raw_fd(), copy.len()), (number, 4));
        same!(proven.as_raw_fd(), number);
        copy
    };
    same!(kept.as_memfd().as_raw_fd(), number);
    same!(&ok!(kept.map())[..], b"0123");
    // Also without the proof.
    let unproven = BorrowedMemFd::from(kept);
    same!(unproven.as_raw_fd(), number);
    same!(unproven.len(), Ok(4));
    // What was rejected, and each of the copies, has closed nothing.
    same!(file.len(), Ok(4));
    Ok(())
}

fn a_proof_is_lent_without_a_call(world: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::copy_from_slice(c"lent", b"content"));
    let lent = BorrowedSealedMemFd::from(&sealed);
    same!(lent.as_raw_fd(), sealed.as_raw_fd());
    same!(lent.len(), 7);
    same!(&ok!(lent.map())[..], b"content");
    same!(
        kernel::identity(&ok!(lent.try_clone())),
        kernel::identity(&sealed)
    );
    needs!(world.tracing, world::NO_TRACING);
    let calls = children::calls_of(|| {
        let lent = BorrowedSealedMemFd::from(&sealed);
        same!(lent.len(), 7);
        Ok(())
    })?;
    same!(calls, 0);
    // The owner has it still.
    same!(sealed.as_memfd().len(), Ok(7));
    Ok(())
}

fn who_lends_one_descriptor_after_the_other_is_asked_once(_: &World) -> Verdict {
    let open = ok!(kernel::holding(b"this can change"));
    let short = ok!(kernel::holding(b"short"));
    let long = ok!(OwnedMemFd::create(c"long", MemFdFlags::ALLOW_SEALING));
    ok!(long.set_len(8 * PAGE as u64));
    for file in [&short, &long] {
        ok!(file.add_seals(PROOF));
    }
    for (first, second) in [
        (&short, &open),
        (&short, &long),
        (&long, &short),
        (&long, &open),
    ] {
        let lender = InTurns::of(first, second);
        let proven = ok!(BorrowedSealedMemFd::verify(&lender, WHOLE));
        same!(lender.asked.get(), 1);
        // The proof is about the one that it keeps, and stays so.
        same!(proven.as_raw_fd(), first.as_raw_fd());
        same!(Ok(proven.len() as u64), first.len());
        let map = ok!(proven.map());
        same!(kernel::holds_exactly(first, &map), Ok(true));
        let mut found = [0; 5];
        same!(proven.read_at(&mut found, 0), Ok(5));
        same!(&found[..], &map[..5]);
        same!(kernel::identity(&proven), kernel::identity(first));
        let clone = ok!(proven.try_clone());
        same!(kernel::identity(&clone), kernel::identity(first));
        same!(lender.asked.get(), 1);
    }
    for second in [&short, &long] {
        let lender = InTurns::of(&open, second);
        let missing = VerifyErrorKind::MissingSeals(PROOF);
        same!(
            BorrowedSealedMemFd::verify(&lender, WHOLE).err(),
            Some(missing)
        );
        same!(lender.asked.get(), 1);
    }
    Ok(())
}

fn what_is_an_ordinary_file_is_refused(world: &World) -> Verdict {
    strangers::ordinary_files(world, a_strangers_file_is_refused)
}

/// A file of a mounted file system is refused. One that is kept in memory, as in a tmpfs, has a
/// seal, and can get no other. A directory has none.
fn a_strangers_file_is_refused(fd: OwnedFd) -> Verdict {
    let reason = match raw::seals(&fd) {
        _ if ok!(strangers::is_directory(&fd)) => VerifyErrorKind::NotRegular,
        Ok(_) => VerifyErrorKind::MissingSeals(PROOF),
        Err(_) => VerifyErrorKind::CanChange,
    };
    is_refused(fd, reason)
}

fn a_file_of_a_tmpfs_is_refused(world: &World) -> Verdict {
    strangers::files_of_a_tmpfs(world, a_strangers_file_is_refused)
}

fn a_file_of_a_hugetlbfs_is_refused(world: &World) -> Verdict {
    strangers::files_of_a_hugetlbfs(world, a_strangers_file_is_refused)
}

fn a_file_of_an_initramfs_is_refused(_: &World) -> Verdict {
    let init = kernel::open(c"/init", OFlags::RDONLY);
    needs!(init.is_ok(), attacks::NO_INIT);
    a_strangers_file_is_refused(ok!(init))
}

fn secret_memory_is_refused(_: &World) -> Verdict {
    strangers::secret_memory(|fd| is_refused(fd, VerifyErrorKind::CanChange))
}

fn a_descriptor_without_access_is_refused(world: &World) -> Verdict {
    is_refused(
        ok!(kernel::open(c"/", OFlags::PATH)),
        VerifyErrorKind::PathOnly,
    )?;
    needs!(world.proc, world::NO_PROC);
    // This is so even if the file is sealed.
    let path = ok!(kernel::reopen(&ok!(proof()), OFlags::PATH));
    is_refused(path, VerifyErrorKind::PathOnly)
}

fn a_descriptor_that_is_not_open_is_refused(_: &World) -> Verdict {
    let number = ok!(attacks::next_number());
    let Err(refused) = SealedMemFd::verify(raw::take(number), WHOLE) else {
        fail!("a number that is not open is proven");
    };
    same!(refused.kind(), VerifyErrorKind::Kernel(Errno::EBADF));
    // The number is not open, so nothing must close it.
    same!(refused.into_inner().into_raw_fd(), number);
    Ok(())
}

fn a_file_that_is_too_long_is_refused(_: &World) -> Verdict {
    let mut fd: OwnedFd = ok!(proof()).into();
    for limit in [0, 1, 3] {
        let number = fd.as_raw_fd();
        let Err(refused) = SealedMemFd::verify(fd, limit) else {
            fail!("4 bytes are proven to be at most {limit}");
        };
        let reason = VerifyErrorKind::TooLarge {
            len: 4,
            max_len: limit,
        };
        same!(refused.kind(), reason);
        same!(refused.get_ref().as_raw_fd(), number);
        fd = refused.into_inner();
    }
    same!(ok!(SealedMemFd::verify(fd, 4)).len(), 4);
    Ok(())
}

fn a_file_of_the_largest_length_is_proven(_: &World) -> Verdict {
    ok!(kernel::allow_any_length());
    // A file cannot be longer than a slice: both have 64-bit lengths.
    let most = i64::MAX as u64;
    let file = ok!(kernel::sealable());
    ok!(file.set_len(most));
    ok!(file.add_seals(PROOF));
    let Err(refused) = SealedMemFd::verify(file.into(), PAGE) else {
        fail!("the largest file is proven to be a page");
    };
    let reason = VerifyErrorKind::TooLarge {
        len: most,
        max_len: PAGE,
    };
    same!(refused.kind(), reason);
    let sealed = ok!(SealedMemFd::try_from(refused.into_inner()));
    same!(sealed.len(), isize::MAX as usize);
    refused!(sealed.map(), Errno::ENOMEM);
    // A part near the end can be mapped like any other. The last page ends beyond the kernel's
    // largest offset, so it can only be read.
    let start = sealed.len() - 2 * attacks::LARGEST_PAGE;
    let near = ok!(sealed.map_range(start..start + 10));
    same!(*near, [0; 10]);
    same!(sealed.read_at(&mut [9; 9], sealed.len() - 4), Ok(4));
    Ok(())
}

fn another_length_than_the_one_demanded_is_refused(_: &World) -> Verdict {
    // What is demanded is the length that was proven, and not what the file has become.
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.add_seals(PROOF));
    let sealed = ok!(SealedMemFd::verify(ok!(kernel::dup(&file)), WHOLE));
    ok!(file.set_len(8));
    same!(sealed.require_len(4), Ok(()));
    for required in [0, 3, 5, 8, WHOLE] {
        let wrong = VerifyErrorKind::WrongLen { len: 4, required };
        same!(sealed.require_len(required), Err(wrong));
        same!(Errno::from(wrong), Errno::EINVAL);
    }
    let wrong = VerifyErrorKind::WrongLen {
        len: 1024,
        required: 4096,
    };
    same!(
        Text::of(wrong).as_str(),
        "the file is 1024 bytes long, and must be 4096"
    );
    Ok(())
}

fn an_empty_file_is_proven(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    ok!(file.add_seals(PROOF));
    let sealed = ok!(SealedMemFd::verify(file.into(), 0));
    holds!(sealed.is_empty());
    same!(*ok!(sealed.map()), []);
    is_proven(sealed.into(), b"")
}

fn a_file_on_huge_pages_is_proven_like_any_other(world: &World) -> Verdict {
    needs!(world.huge_pages, world::NO_HUGE_PAGES);
    let file = ok!(attacks::huge());
    is_refused(
        ok!(kernel::dup(&file)),
        VerifyErrorKind::MissingSeals(PROOF),
    )?;
    ok!(file.add_seals(Seals::WRITE));
    is_refused(
        ok!(kernel::dup(&file)),
        VerifyErrorKind::MissingSeals(Seals::SHRINK),
    )?;
    ok!(file.add_seals(Seals::SHRINK));
    is_proven(file.into(), b"")
}

fn a_sender_that_keeps_a_writable_mapping_is_refused(world: &World) -> Verdict {
    let (ours, theirs) = ok!(kernel::socket_pair());
    let steps = ok!(Steps::new());
    let future_write = world.future_write;
    let sender = ok!(Child::start(Descriptors::Copied, || {
        let file = ok!(kernel::holding(&[7; PAGE]));
        let mapping = ok!(Mapping::of(&file, PAGE, Stores::Shared, READ | WRITE));
        // The sender adds every seal that it can add while it can still write.
        refused!(file.add_seals(PROOF), Errno::EBUSY);
        ok!(file.add_seals(Seals::SHRINK | Seals::GROW));
        ok!(kernel::send(&theirs, &file));
        steps.wait_for(1)?;
        if future_write {
            ok!(file.add_seals(Seals::FUTURE_WRITE | Seals::SEAL));
        }
        steps.reach(2);
        steps.wait_for(3)?;
        mapping.put(0, 8);
        steps.reach(4);
        Ok(())
    }));
    let received = ok!(kernel::receive(&ours));
    is_refused(
        ok!(kernel::dup(&received)),
        VerifyErrorKind::MissingSeals(Seals::WRITE),
    )?;
    steps.reach(1);
    steps.wait_for(2)?;
    let reason = if future_write {
        VerifyErrorKind::FutureWriteOnly
    } else {
        VerifyErrorKind::MissingSeals(Seals::WRITE)
    };
    is_refused(ok!(kernel::dup(&received)), reason)?;
    // The rejection is right: the content still changes.
    same!(kernel::holds_exactly(&received, &[7; PAGE]), Ok(true));
    steps.reach(3);
    steps.wait_for(4)?;
    same!(kernel::holds_exactly(&received, &[7; PAGE]), Ok(false));
    sender.finish(PATIENCE)
}

fn a_sender_that_can_still_cut_is_refused(_: &World) -> Verdict {
    let file = ok!(kernel::holding(&[7; PAGE]));
    ok!(file.add_seals(Seals::WRITE | Seals::GROW));
    is_refused(
        ok!(kernel::dup(&file)),
        VerifyErrorKind::MissingSeals(Seals::SHRINK),
    )?;
    // The rejection is right: the content still changes.
    ok!(file.set_len(0));
    same!(file.len(), Ok(0));
    Ok(())
}

fn the_length_is_that_of_the_proof_whatever_the_file_becomes(_: &World) -> Verdict {
    const GIGABYTES: u64 = 4 << 30;
    ok!(kernel::allow_any_length());
    let file = ok!(kernel::holding(&[7; 2 * PAGE]));
    ok!(file.add_seals(PROOF));
    let sealed = ok!(SealedMemFd::verify(ok!(kernel::dup(&file)), 2 * PAGE));
    let map = ok!(sealed.map());
    ok!(file.set_len(GIGABYTES));
    same!(sealed.len(), 2 * PAGE);
    same!(ok!(sealed.try_clone()).len(), 2 * PAGE);
    same!(map.len(), 2 * PAGE);
    same!(*ok!(sealed.map()), [7; 2 * PAGE]);
    for (offset, len) in [(2 * PAGE, 1), (0, 2 * PAGE + 1), (3 * PAGE, 0)] {
        let out = MapError::OutOfBounds {
            bound: offset + len,
            len: 2 * PAGE,
        };
        same!(sealed.map_range(offset..offset + len).err(), Some(out));
    }
    let mut found = [1; 8];
    same!(sealed.read_at(&mut found, 2 * PAGE), Ok(0));
    same!(sealed.read_at(&mut found, 2 * PAGE - 3), Ok(3));
    same!(found, [7, 7, 7, 1, 1, 1, 1, 1]);
    ok!(map.populate());
    // A new verification uses the new length.
    let Err(refused) = SealedMemFd::verify(sealed.into(), 2 * PAGE) else {
        fail!("4 GiB are proven to be two pages");
    };
    let reason = VerifyErrorKind::TooLarge {
        len: GIGABYTES,
        max_len: 2 * PAGE,
    };
    same!(refused.kind(), reason);
    Ok(())
}

fn the_length_is_that_of_the_proof_while_huge_pages_grow(world: &World) -> Verdict {
    let size = attacks::huge_page_size(world, 1)?;
    let file = ok!(attacks::huge());
    ok!(file.set_len(size as u64));
    let sealed = ok!(file.seal());
    holds!(ok!(sealed.seals()).contains(Seals::GROW));
    // On some kernels, this lengthens even a file that is sealed against growing.
    ok!(attacks::map_privately_and_beyond(&sealed, 4 * size));
    same!(sealed.len(), size);
    same!(ok!(sealed.map()).len(), size);
    refused!(sealed.map_range(size..=size), MapError::OutOfBounds { .. });
    same!(sealed.read_at(&mut [0], size), Ok(0));
    Ok(())
}

/// Runs `action` in a second process before each call of this process that `which` selects.
/// `action` gets the number of the call, from 1.
fn before_each(
    which: Which,
    action: impl Fn(u32) -> Verdict,
) -> Result<(Held, Child), crate::Stop> {
    let held = ok!(raw::hold(which));
    let child = ok!(Child::start(Descriptors::Copied, || {
        for call in 1.. {
            let mut verdict = Ok(());
            ok!(held.respond(|| {
                verdict = action(call);
                raw::Response::LetThrough
            }));
            verdict?;
        }
        Ok(())
    }));
    Ok((held, child))
}

fn a_file_that_grows_between_two_questions_is_not_proven_whole(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let (sealed, sender) = ok!(attacks::growable(b"0123"));
    // This runs before the library asks for the seals: a length that was asked for before is no
    // longer true, although it is fixed now.
    let which = Which::Equal(sc::nr::FCNTL, 1, linux_raw_sys::general::F_GET_SEALS);
    let _sender = before_each(which, |call| {
        if call == 1 {
            ok!(sender.set_len(5));
            ok!(sender.add_seals(Seals::GROW));
        }
        Ok(())
    })?;
    same!(sealed.check_exec(), Err(ExecError::UnprovenLength));
    holds!(ok!(sealed.seals()).contains(Seals::GROW));
    Ok(())
}

fn a_file_that_grows_between_two_questions_is_proven_at_one_length(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(proof());
    let descriptor = ok!(kernel::dup(&file));
    // This runs after the library has asked for the seals, before it asks for the length.
    let _sender = before_each(Which::All(sc::nr::FSTAT), |call| {
        ok!(file.set_len(10 * u64::from(call)));
        Ok(())
    })?;
    let sealed = ok!(SealedMemFd::verify(descriptor, 10));
    // The library asks for the length only once.
    same!(sealed.len(), 10);
    same!(file.len(), Ok(20));
    same!(sealed.len(), 10);
    let again = ok!(sealed.try_clone());
    let Err(refused) = SealedMemFd::verify(again.into(), 20) else {
        fail!("30 bytes are proven to be 20");
    };
    let reason = VerifyErrorKind::TooLarge {
        len: 30,
        max_len: 20,
    };
    same!(refused.kind(), reason);
    // On some kernels this compares two descriptors, and the file grows again.
    same!(*ok!(sealed.map()), *b"0123\0\0\0\0\0\0");
    Ok(())
}

fn a_file_that_is_cut_before_it_is_sealed_is_proven_at_what_is_left(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(kernel::holding(b"0123"));
    let descriptor = ok!(kernel::dup(&file));
    // The file changes at the last moment: a length from before the seals were read would be
    // wrong.
    let question = Which::Equal(sc::nr::FCNTL, 1, linux_raw_sys::general::F_GET_SEALS);
    let _sender = before_each(question, |call| {
        if call == 1 {
            ok!(file.set_len(2));
            ok!(file.add_seals(PROOF));
        }
        Ok(())
    })?;
    let sealed = ok!(SealedMemFd::verify(descriptor, WHOLE));
    same!(sealed.len(), 2);
    same!(*ok!(sealed.map()), *b"01");
    Ok(())
}

fn seals_that_come_between_two_questions_prove_nothing_yet(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(kernel::holding(b"0123"));
    let descriptor = ok!(kernel::dup(&file));
    // This runs after the library has asked for the seals once, before it asks again.
    let _sender = before_each(
        Which::Equal(sc::nr::FCNTL, 1, linux_raw_sys::general::F_GET_SEALS),
        |call| {
            if call == 2 {
                ok!(file.add_seals(PROOF));
            }
            Ok(())
        },
    )?;
    let Err(refused) = SealedMemFd::verify(descriptor, WHOLE) else {
        fail!("proven without the seals");
    };
    same!(refused.kind(), VerifyErrorKind::MissingSeals(PROOF));
    same!(ok!(SealedMemFd::try_from(refused.into_inner())).len(), 4);
    Ok(())
}

fn a_kernel_that_once_refuses_to_tell_the_seals_is_not_taken_for_a_yes(world: &World) -> Verdict {
    needs!(world.supervisors, world::NO_SUPERVISORS);
    for error in [Errno::EINVAL, Errno::EIO, Errno::EBADF] {
        children::apart(|| {
            let file = ok!(kernel::holding(b"0123"));
            let question = Which::Equal(sc::nr::FCNTL, 1, linux_raw_sys::general::F_GET_SEALS);
            let responses = [raw::Response::Error(error)];
            let _supervisor = children::Supervisor::of(question, &responses)?;
            match SealedMemFd::verify(file.into(), WHOLE) {
                Ok(sealed) => fail!("proven with {:?}, after {error:?}", sealed.seals()),
                Err(refused) => holds!(
                    !matches!(refused.kind(), VerifyErrorKind::TooLarge { .. }),
                    "{:?}",
                    refused.kind()
                ),
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn a_kernel_that_refuses_to_tell_the_length_is_not_taken_for_a_yes(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(proof());
    ok!(raw::refuse(Which::All(sc::nr::FSTAT), Errno::EIO));
    let Err(refused) = SealedMemFd::verify(file.into(), WHOLE) else {
        fail!("proven without a length");
    };
    same!(refused.kind(), VerifyErrorKind::Kernel(Errno::EIO));
    let Err(refused) = SealedMemFd::verify(refused.into_inner(), WHOLE) else {
        fail!("proven without a length");
    };
    drop(refused);
    Ok(())
}

/// A file with all seals that can be forged. They are genuine on every kernel.
fn doubtful() -> Result<OwnedMemFd, Errno> {
    let file = attacks::executable_anyhow(b"0123")?;
    file.add_seals(Seals::EXEC)?;
    Ok(file)
}

/// A kernel that forges these seals, or may forge them: the library rejects the file.
fn doubtful_seals_are_refused(doubtful: &OwnedMemFd, content: &[u8]) -> Verdict {
    is_refused(ok!(kernel::dup(doubtful)), VerifyErrorKind::ForgeableSeals)?;
    // `seal` rejects it too.
    let file = match OwnedMemFd::try_from(ok!(kernel::dup(doubtful))) {
        Ok(file) => file,
        Err(refused) => fail!("no memory file: {:?}", refused.kind()),
    };
    let Err(refused) = file.seal() else {
        fail!("sealing makes a proof of {:?}", doubtful.seals());
    };
    same!(refused.kind(), VerifyErrorKind::ForgeableSeals);
    // A copy does not depend on the sender.
    let copy = ok!(SealedMemFd::verify_or_copy(
        ok!(kernel::dup(doubtful)),
        content.len()
    ));
    holds!(ok!(kernel::stat(&copy)).st_ino != ok!(kernel::stat(doubtful)).st_ino);
    holds!(*ok!(copy.map()) == *content);
    Ok(())
}

fn forged_seals_are_refused_where_they_can_be_forged(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    let honest = ok!(doubtful());
    same!(honest.seals(), Ok(DOUBTFUL));
    let Some((forged, mapping)) = ok!(attacks::forge(&[7; PAGE])) else {
        return Err(crate::Stop::Skipped(NO_FORGERY));
    };
    holds!(ok!(forged.seals()).contains(DOUBTFUL));
    mapping.put(0, 8);
    same!(kernel::holds_exactly(&forged, &[7; PAGE]), Ok(false));
    mapping.put(0, 7);
    // Adding the same seals again does not help: this kernel does not check again.
    ok!(forged.add_seals(PROOF));
    doubtful_seals_are_refused(&forged, &[7; PAGE])?;
    let copy = ok!(SealedMemFd::verify_or_copy(ok!(kernel::dup(&forged)), PAGE));
    mapping.put(0, 8);
    same!(*ok!(copy.map()), [7; PAGE]);
    // A genuine file cannot be told from a forged one.
    doubtful_seals_are_refused(&honest, b"0123")?;
    // Files with other seals are still accepted.
    is_proven(ok!(proof()).into(), b"0123")?;
    is_proven(
        ok!(SealedMemFd::copy_from_slice(c"suite", b"0123")).into(),
        b"0123",
    )
}

fn doubtful_seals_are_proof_where_none_can_be_forged(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    needs!(ok!(attacks::forge(&[7; PAGE])).is_none(), FORGERY);
    let honest = ok!(doubtful());
    same!(honest.seals(), Ok(DOUBTFUL));
    is_proven(ok!(kernel::dup(&honest)), b"0123")?;
    same!(ok!(honest.seal()).len(), 4);
    Ok(())
}

/// From now on the kernel reports that it added the execute seal when it did not, like a kernel
/// that has the bug.
fn forge_from_now_on() -> Result<(), Errno> {
    let nothing = Errno::from_raw_os_error(0);
    raw::refuse(Which::Equal(sc::nr::FCNTL, 2, Seals::EXEC.bits()), nothing)
}

fn a_kernel_that_forges_seals_is_not_believed(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(doubtful());
    ok!(forge_from_now_on());
    doubtful_seals_are_refused(&file, b"0123")?;
    is_proven(ok!(proof()).into(), b"0123")?;
    is_proven(
        ok!(SealedMemFd::copy_from_slice(c"suite", b"0123")).into(),
        b"0123",
    )
}

/// Runs `body` in a pid namespace that forbids executable memory files.
fn where_nothing_is_executable(world: &World, body: impl FnOnce() -> Verdict) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    needs!(world.own_noexec, world::NO_OWN_NOEXEC);
    ok!(raw::unshare(UnshareFlags::NEWPID));
    children::apart(|| {
        ok!(kernel::write_number(world::NOEXEC, 2));
        refused!(attacks::executable(b"x"), Errno::EACCES);
        body()
    })
}

fn a_kernel_is_tried_where_nothing_is_executable(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    let file = ok!(doubtful());
    let forges = ok!(attacks::forge(b"x")).is_some();
    where_nothing_is_executable(world, || {
        // The attack works there as well as elsewhere.
        same!(ok!(attacks::forge(b"x")).is_some(), forges);
        same!(has_cve_2026_63952(), Ok(forges));
        if forges {
            doubtful_seals_are_refused(&file, b"0123")
        } else {
            is_proven(ok!(kernel::dup(&file)), b"0123")
        }
    })
}

/// What is told of a kernel that cannot be tried.
fn is_refused_untried(doubtful: &OwnedMemFd, reason: Errno) -> Verdict {
    same!(has_cve_2026_63952(), Err(reason));
    let untried = VerifyErrorKind::ProbeFailed(reason);
    is_refused(ok!(kernel::dup(doubtful)), untried)?;
    same!(Errno::from(untried), reason);
    holds!(
        Text::of(untried)
            .as_str()
            .ends_with(Text::of(reason).as_str())
    );
    Ok(())
}

fn a_kernel_that_cannot_be_tried_is_not_believed(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(doubtful());
    let calls = [
        (sc::nr::MEMFD_CREATE, Errno::EMFILE),
        (sc::nr::FSTAT, Errno::EIO),
        (sc::nr::MMAP, Errno::ENOMEM),
    ];
    for (number, reason) in calls {
        children::apart(|| {
            ok!(raw::refuse(Which::All(number), reason));
            is_refused_untried(&file, reason)
        })?;
    }
    where_nothing_is_executable(world, || {
        ok!(raw::refuse(
            Which::All(sc::nr::FSETXATTR),
            Errno::EOPNOTSUPP
        ));
        is_refused_untried(&file, Errno::EOPNOTSUPP)
    })
}

fn a_kernel_that_could_not_be_tried_is_tried_again(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(doubtful());
    let forges = ok!(attacks::forge(b"x")).is_some();
    let once = [Response::Error(Errno::ENFILE)];
    let _supervisor = children::Supervisor::of(Which::All(sc::nr::MEMFD_CREATE), &once)?;
    let Err(refused) = SealedMemFd::verify(ok!(kernel::dup(&file)), WHOLE) else {
        fail!("believed untried");
    };
    same!(refused.kind(), VerifyErrorKind::ProbeFailed(Errno::ENFILE));
    if forges {
        is_refused(refused.into_inner(), VerifyErrorKind::ForgeableSeals)
    } else {
        is_proven(refused.into_inner(), b"0123")
    }
}

fn a_kernel_is_tried_where_a_filter_hides_the_exec_flags(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(doubtful());
    let forges = ok!(attacks::forge(b"x")).is_some();
    let hide = || {
        let flags = MemFdFlags::EXEC | MemFdFlags::NOEXEC_SEAL;
        let which = Which::WithBits(sc::nr::MEMFD_CREATE, 1, flags.bits());
        ok!(raw::refuse(which, Errno::EINVAL));
        same!(has_cve_2026_63952(), Ok(forges));
        if forges {
            doubtful_seals_are_refused(&file, b"0123")
        } else {
            is_proven(ok!(kernel::dup(&file)), b"0123")
        }
    };
    children::apart(hide)?;
    where_nothing_is_executable(world, hide)
}

fn a_kernel_can_be_tried_beforehand(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(doubtful());
    let forges = ok!(attacks::forge(b"x")).is_some();
    let only_these = [
        sc::nr::MEMFD_CREATE,
        sc::nr::FSTAT,
        sc::nr::FSETXATTR,
        sc::nr::FSTATFS,
        sc::nr::MMAP,
        sc::nr::FCNTL,
        sc::nr::MUNMAP,
        sc::nr::CLOSE,
        sc::nr::EXIT_GROUP,
    ];
    children::apart(|| {
        ok!(raw::allow_only(&only_these));
        same!(has_cve_2026_63952(), Ok(forges));
        Ok(())
    })?;
    same!(has_cve_2026_63952(), Ok(forges));
    children::apart(|| {
        ok!(raw::allow_only(&[sc::nr::EXIT_GROUP]));
        same!(has_cve_2026_63952(), Ok(forges));
        Ok(())
    })?;
    // Then no sender can make a process create a file.
    ok!(raw::refuse(Which::All(sc::nr::MEMFD_CREATE), Errno::EPERM));
    if forges {
        is_refused(ok!(kernel::dup(&file)), VerifyErrorKind::ForgeableSeals)
    } else {
        is_proven(ok!(kernel::dup(&file)), b"0123")
    }
}

fn a_verification_makes_only_the_calls_that_it_says(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let missing = VerifyErrorKind::MissingSeals;
    let (pipe, _other_end) = ok!(kernel::pipe());
    let mut strangers = [
        Some((ok!(proof()).into(), None)),
        Some((ok!(kernel::holding(b"x")).into(), Some(missing(PROOF)))),
        Some((pipe, Some(VerifyErrorKind::CanBlock))),
        Some((
            ok!(kernel::open(c"/", OFlags::PATH)),
            Some(VerifyErrorKind::PathOnly),
        )),
        None,
        None,
    ];
    if world.tmpfs {
        let flags = OFlags::TMPFILE | OFlags::RDWR;
        let on_tmpfs = ok!(kernel::open(c"/dev/shm", flags));
        strangers[4] = Some((on_tmpfs, Some(missing(PROOF))));
    }
    if world.exec_flags {
        let forges = ok!(has_cve_2026_63952());
        let reason = forges.then_some(VerifyErrorKind::ForgeableSeals);
        strangers[5] = Some((ok!(doubtful()).into(), reason));
    }
    children::apart(|| {
        ok!(raw::allow_only(&[
            sc::nr::FCNTL,
            sc::nr::FSTAT,
            sc::nr::NEWFSTATAT,
            // What was proven is dropped.
            sc::nr::CLOSE,
            sc::nr::EXIT_GROUP,
        ]));
        for (fd, reason) in strangers.into_iter().flatten() {
            same!(
                SealedMemFd::verify(fd, WHOLE)
                    .err()
                    .map(|refused| refused.kind()),
                reason
            );
        }
        Ok(())
    })
}

fn a_kernel_is_tried_once_and_only_where_it_matters(world: &World) -> Verdict {
    needs!(world.exec_flags, world::NO_EXEC_FLAGS);
    needs!(world.exec_is_free, world::NOEXEC_SET);
    needs!(world.supervisors, world::NO_SUPERVISORS);
    let file = ok!(doubtful());
    let forges = ok!(attacks::forge(b"x")).is_some();
    let which = Which::WithBits(sc::nr::MEMFD_CREATE, 1, MemFdFlags::EXEC.bits());
    let supervisor = children::Supervisor::of(which, &[])?;
    is_proven(ok!(proof()).into(), b"0123")?;
    is_proven(
        ok!(SealedMemFd::copy_from_slice(c"suite", b"0123")).into(),
        b"0123",
    )?;
    is_refused(
        ok!(kernel::holding(b"x")).into(),
        VerifyErrorKind::MissingSeals(PROOF),
    )?;
    same!(supervisor.calls(), 0);
    for _ in 0..3 {
        let sealed = SealedMemFd::verify(ok!(kernel::dup(&file)), WHOLE);
        same!(sealed.is_err(), forges);
        same!(supervisor.calls(), 1);
    }
    Ok(())
}
