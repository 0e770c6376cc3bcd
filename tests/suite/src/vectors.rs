//! Claims about the caller's vector registers around system calls. On aarch64 and riscv64 the
//! kernel preserves little of them. If the compiler turns a loop into vector instructions, the
//! loop keeps constants in these registers from round to round. Around each system call of the
//! library, such a loop must still compute the right bytes.
//!
//! Without special compiler options, programs use no such registers, or only those that every
//! kernel preserves. To lose any, a program must be built with `--cfg vectors`, as
//! `claims_about_vectors` in `ci/common.sh` does, and run on a real kernel. The code that rustix
//! and `sc` inline into the suite is not safe in such a program. So only these claims run there,
//! and their loops call only the library.

use crate::{
    Verdict, World, kernel, parties,
    raw::{self, Which, number},
    world,
};
use core::hint::black_box;
use owned_memfd::{
    Errno, MemFdFlags, MemFdOptions, OwnedMemFd, SealedMemFd, Seals, SeekFrom,
    boot::kexec_file_load,
    exec::Args,
    fd::{AsFd, OwnedFd},
    socket,
};
use rustix::fs::OFlags;

claims!(
    a_loop_is_right_around_creating_and_closing,
    a_loop_is_right_around_reading_and_writing,
    a_loop_is_right_around_lengths_and_modes,
    a_loop_is_right_around_copying,
    a_loop_is_right_around_seals,
    a_loop_is_right_around_descriptors,
    a_loop_is_right_around_reopening,
    a_loop_is_right_around_mapping,
    a_loop_is_right_around_building,
    a_loop_is_right_around_passing,
    a_loop_is_right_around_executing,
    a_loop_is_right_around_booting,
    a_loop_is_right_around_what_older_kernels_need,
    a_bare_inlined_call_loses_the_vector_state,
);

/// A multiple of every vector length.
const LEN: usize = 4096;
const ROUNDS: usize = 3;

/// Computes one byte of one round. The result depends on the byte's position, so the compiler
/// computes a vector of positions.
#[inline]
fn step(byte: u8, at: usize, key: u8) -> u8 {
    (byte ^ key).wrapping_mul(7).wrapping_add(at as u8)
}

/// Changes every byte, makes the call, and repeats that. Returns whether every call did what it
/// should.
///
/// Each call gets a loop of its own, into which nothing else is inlined.
#[inline(never)]
fn around(bytes: &mut [u8; LEN], key: &[u8; LEN], mut call: impl FnMut() -> bool) -> bool {
    let mut done = true;
    // The compiler does not know this number, so the rounds remain a loop.
    for _ in 0..black_box(ROUNDS) {
        for at in 0..LEN {
            bytes[at] = step(bytes[at], at, key[at]);
        }
        done &= call();
    }
    done
}

/// How many bytes the loop around `call` computes wrong. Fails if the call did not do what it
/// should.
fn wrong_bytes(call: impl FnMut() -> bool) -> Option<usize> {
    let mut key = [0; LEN];
    for (at, key) in key.iter_mut().enumerate() {
        *key = black_box(kernel::pattern(at as u64));
    }
    let mut bytes = black_box([0; LEN]);
    if !around(&mut bytes, &key, call) {
        return None;
    }
    let mut wrong = 0;
    for at in 0..LEN {
        // This checks byte by byte, without vector instructions.
        let right = (0..ROUNDS).fold(0, |byte, _| black_box(step(byte, at, key[at])));
        wrong += usize::from(black_box(bytes[at]) != right);
    }
    Some(wrong)
}

/// Each of these calls does what it should, and the loop around it computes the right bytes.
macro_rules! right_around {
    ($($call:expr),+ $(,)?) => {$(
        match wrong_bytes(|| $call) {
            Some(wrong) => holds!(
                wrong == 0,
                "{wrong} of {LEN} bytes are wrong around {}",
                stringify!($call)
            ),
            None => fail!("not so: {}", stringify!($call)),
        }
    )+};
}

fn a_loop_is_right_around_creating_and_closing(_: &World) -> Verdict {
    let options = MemFdOptions::new();
    right_around!(
        OwnedMemFd::create(c"suite", MemFdFlags::CLOEXEC).is_ok(),
        options
            .create(c"suite")
            .is_ok_and(|file| file.close().is_ok()),
        options.sealable(false).create("suite").is_ok(),
    );
    Ok(())
}

fn a_loop_is_right_around_reading_and_writing(_: &World) -> Verdict {
    let file = ok!(kernel::holding(&[7; LEN]));
    let mut byte = [0];
    right_around!(
        file.seek(SeekFrom::Start(1)) == Ok(1),
        file.read(&mut byte) == Ok(1),
        file.write(b"x") == Ok(1),
        file.write_all(b"x").is_ok(),
        file.read_at(&mut byte, 5) == Ok(1),
        file.write_at(b"x", 5) == Ok(1),
        file.read_exact_at(&mut byte, 5).is_ok(),
        file.write_all_at(b"x", 5).is_ok(),
    );
    Ok(())
}

fn a_loop_is_right_around_lengths_and_modes(_: &World) -> Verdict {
    let file = ok!(kernel::holding(&[7; LEN]));
    right_around!(
        file.len() == Ok(LEN as u64),
        file.set_len(1).is_ok(),
        file.allocate(0, 1).is_ok(),
        file.punch_hole(0, 1).is_ok(),
        file.set_mode(0o600).is_ok(),
    );
    Ok(())
}

fn a_loop_is_right_around_copying(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let source = ok!(kernel::holding(&[7; LEN]));
    // `splice` copies what the other calls reject.
    let (pipe, writer) = ok!(kernel::pipe());
    same!(kernel::write(&writer, &[7; ROUNDS]), Ok(ROUNDS));
    right_around!(
        file.copy_from(&source, 1).is_ok_and(|copied| copied == 1),
        file.copy_from(&pipe, 1).is_ok_and(|copied| copied == 1),
    );
    Ok(())
}

fn a_loop_is_right_around_seals(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let before = ok!(file.seals());
    right_around!(
        file.seals() == Ok(before),
        file.add_seals(Seals::SHRINK).is_ok(),
        kernel::sealable().is_ok_and(|file| file.seal().is_ok()),
    );
    Ok(())
}

fn a_loop_is_right_around_descriptors(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let other = ok!(kernel::dup(&file));
    let onto = number(&other);
    right_around!(
        file.close_on_exec() == Ok(true),
        file.set_close_on_exec(true).is_ok(),
        file.try_clone().is_ok(),
        raw::duplicate_onto(&file, onto).is_ok(),
        // For a file that cannot be sealed, the library makes more checks.
        OwnedMemFd::create(c"suite", MemFdFlags::CLOEXEC)
            .is_ok_and(|file| OwnedMemFd::try_from(OwnedFd::from(file)).is_ok()),
    );
    Ok(())
}

fn a_loop_is_right_around_reopening(world: &World) -> Verdict {
    needs!(
        world.proc || world.handles || world.empty_path,
        world::NO_WAY_WITHOUT_PROC
    );
    let file = ok!(kernel::sealable());
    right_around!(file.reopen_read_only().is_ok());
    Ok(())
}

fn a_loop_is_right_around_mapping(_: &World) -> Verdict {
    let file = ok!(kernel::holding(&[7; LEN]));
    ok!(file.add_seals(Seals::SHRINK));
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", &[7; LEN]));
    let map = ok!(sealed.map());
    right_around!(
        file.map_shared(..).is_ok(),
        file.map_shared_mut(..).is_ok(),
        sealed.map().is_ok_and(|map| map.len() == LEN),
        sealed.map_range(1..2).is_ok_and(|map| map[..] == [7]),
        map.populate().is_ok(),
    );
    Ok(())
}

fn a_loop_is_right_around_building(_: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"x"));
    let mut byte = [0];
    right_around!(
        SealedMemFd::copy_from_slice(c"suite", b"x").is_ok(),
        SealedMemFd::create_with(c"suite", 1, |bytes| bytes[0] = 7).is_ok(),
        sealed.seals().is_ok(),
        sealed.read_at(&mut byte, 0) == Ok(1),
        sealed
            .try_clone()
            .is_ok_and(|sealed| SealedMemFd::verify(sealed.into(), 1).is_ok()),
        OwnedMemFd::create(c"suite", MemFdFlags::CLOEXEC)
            .is_ok_and(|file| SealedMemFd::verify_or_copy(file.into(), 1).is_ok()),
    );
    Ok(())
}

fn a_loop_is_right_around_passing(_: &World) -> Verdict {
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"x"));
    let (here, there) = ok!(socket::socket_pair(socket::SocketType::SeqPacket));
    let mut byte = [0];
    let mut descriptors = socket::ReceivedFds::<1>::new();
    right_around!(
        socket::socket_pair(socket::SocketType::Stream).is_ok(),
        socket::send(&here, b"x", &[sealed.as_fd()]) == Ok(1),
        socket::receive(&there, &mut byte, &mut descriptors).is_ok_and(|count| count == 1),
        sealed.send(&here).is_ok(),
        SealedMemFd::receive(&there, 1).is_ok(),
    );
    Ok(())
}

fn a_loop_is_right_around_executing(_: &World) -> Verdict {
    // The file is not executable.
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"x"));
    right_around!(
        sealed.exec(Args::EMPTY, Args::EMPTY).is_err(),
        sealed.check_exec().is_err(),
    );
    Ok(())
}

fn a_loop_is_right_around_booting(world: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    // The file is neither a module nor a kernel.
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"x"));
    right_around!(
        file.load_module(c"").is_err(),
        kexec_file_load(&sealed, None, c"").is_err(),
    );
    needs!(world.own_mounts, world::NO_OWN_MOUNTS);
    // An ordinary file takes the place of /dev/loop-control, and does not support its requests.
    ok!(parties::hide(c"/dev"));
    drop(ok!(kernel::open(c"/dev/loop-control", OFlags::CREATE)));
    right_around!(file.attach_loop().err() == Some(Errno::ENOTTY));
    Ok(())
}

fn a_loop_is_right_around_what_older_kernels_need(world: &World) -> Verdict {
    needs!(world.filters, world::NO_FILTERS);
    let file = ok!(kernel::sealable());
    let sealed = ok!(SealedMemFd::copy_from_slice(c"suite", b"x"));
    let map = ok!(sealed.map());
    let busy = Which::Equal(sc::nr::FCNTL, 1, linux_raw_sys::general::F_ADD_SEALS);
    ok!(raw::refuse(Which::All(sc::nr::MADVISE), Errno::EINVAL));
    ok!(raw::refuse(Which::All(sc::nr::OPENAT), Errno::ENOENT));
    ok!(raw::refuse(Which::All(sc::nr::EXECVEAT), Errno::ENOSYS));
    ok!(raw::refuse(busy, Errno::EBUSY));
    right_around!(
        // mlock and munlock.
        map.populate().is_ok(),
        // name_to_handle_at and open_by_handle_at.
        file.reopen_read_only().is_ok() == world.handles,
        // execve.
        sealed.exec(Args::EMPTY, Args::EMPTY).is_err(),
        // `nanosleep`, between two attempts.
        SealedMemFd::copy_from_slice(c"suite", b"x").is_err(),
    );
    Ok(())
}

/// These claims can fail: if the loop contains the system call instruction itself, bytes are
/// wrong.
fn a_bare_inlined_call_loses_the_vector_state(world: &World) -> Verdict {
    needs!(!cfg!(target_arch = "x86_64"), world::VECTORS_KEPT);
    needs!(cfg!(vectors), world::NO_VECTORS);
    needs!(world.is_of_a_kernel(), world::VECTORS_EMULATED);
    match wrong_bytes(raw::call_inlined) {
        Some(wrong) => holds!(wrong > 0, "every byte is right"),
        None => fail!("the call fails"),
    }
    Ok(())
}
