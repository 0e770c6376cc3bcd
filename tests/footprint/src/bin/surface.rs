//! Calls every function of the crate once, with values that the compiler does not know. It links
//! only if no function can panic or needs a function of a C library.
#![no_std]
#![no_main]

use core::hint::black_box;
use owned_memfd::{
    Errno, HugePageSize, MemFdFlags, MemFdOptions, OwnedMemFd, SealedMemFd, Seals, SeekFrom, boot,
    exec::{Arg, Args},
    fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd},
    socket,
};

footprint::program!(main);

fn main() -> i32 {
    // This number is not open, so each call on it returns an error.
    let file = unsafe { OwnedMemFd::from_raw_fd(black_box(i32::MAX)) };
    let mut buffer = [0_u8; 1];
    let number: u64 = black_box(1);
    let bytes: &[u8] = black_box(b"x");
    let mut done = 0;
    let mut count = |is_ok: bool| done += i32::from(is_ok);

    count(OwnedMemFd::create(black_box(c"x"), black_box(MemFdFlags::CLOEXEC)).is_ok());
    let options = MemFdOptions::new()
        .executable(black_box(true))
        .sealable(black_box(true))
        .close_on_exec(black_box(true));
    count(options.create(black_box(c"x")).is_ok());
    count(options.create(black_box("x")).is_ok());
    let size = HugePageSize::from_bytes(number).unwrap_or(HugePageSize::DEFAULT);
    count(options.huge_pages(size).create(black_box(c"x")).is_ok());
    count(black_box(size).bytes().is_some());

    count(file.read(&mut buffer).is_ok());
    count(file.read_at(&mut buffer, number).is_ok());
    count(file.read_exact_at(&mut buffer, number).is_ok());
    count(file.write(bytes).is_ok());
    count(file.write_at(bytes, number).is_ok());
    count(file.write_all(bytes).is_ok());
    count(file.write_all_at(bytes, number).is_ok());
    count(file.seek(black_box(SeekFrom::Start(1))).is_ok());
    count(file.len().is_ok());
    count(file.set_len(number).is_ok());
    count(file.allocate(number, number).is_ok());
    count(file.punch_hole(number, number).is_ok());
    count(file.set_mode(black_box(0o600)).is_ok());
    count(file.copy_from(file.as_fd(), number).is_ok());
    count(file.seals().is_ok());
    count(file.add_seals(black_box(Seals::WRITE)).is_ok());
    black_box(file.explain_seal_error(black_box(Errno::EPERM)));
    count(file.try_clone().is_ok());
    count(file.reopen_read_only().is_ok());
    count(file.proc_path().is_empty());
    // SAFETY: nobody has so many descriptors.
    count(unsafe { file.duplicate_onto(black_box(i32::MAX - 1)) }.is_ok());
    count(file.close_on_exec().is_ok());
    count(file.set_close_on_exec(black_box(true)).is_ok());
    let file = match OwnedMemFd::try_from(OwnedFd::from(file)) {
        Ok(file) => file,
        // SAFETY: the descriptor has just been given up.
        Err(refused) => unsafe { OwnedMemFd::from_raw_fd(refused.into_inner().into_raw_fd()) },
    };
    count(file.close().is_ok());

    count(SealedMemFd::copy_from_slice(black_box(c"x"), bytes).is_ok());
    let built = SealedMemFd::create_with(black_box("x"), black_box(1), |bytes| {
        if let Some(byte) = bytes.first_mut() {
            *byte = 1;
        }
    });
    if let Ok(sealed) = built {
        count(sealed.map().is_ok_and(|map| map.populate().is_ok()));
        let range = sealed.map_range(black_box(0), black_box(1));
        count(range.is_ok_and(|map| black_box(&map[..]).first() == Some(&1)));
        count(sealed.read_at(&mut buffer, black_box(0)).is_ok());
        count(sealed.seals().is_ok());
        count(sealed.try_clone().is_ok());
        count(SealedMemFd::verify(sealed.into(), black_box(1)).is_ok());
    }
    let strange = |number| {
        // SAFETY: not -1, and nobody has so many descriptors.
        unsafe { OwnedFd::from_raw_fd(black_box(number)) }
    };
    count(SealedMemFd::verify_or_copy(strange(i32::MAX), black_box(1)).is_ok());
    count(SealedMemFd::try_from(strange(i32::MAX)).is_ok());
    if let Ok(file) = options.create(c"x") {
        count(file.set_len(number).is_ok());
        if let Ok(shared) = file.map_shared_mut() {
            count(shared.read_at(&mut buffer, black_box(0)) == 1);
            count(shared.write_at(bytes, black_box(0)) == 1);
            count(shared.seal_for_readers().is_ok());
            let view = shared.unmap().map_shared();
            count(view.is_ok_and(|view| view.read_at(&mut buffer, black_box(0)) == 1));
        }
    }
    if let Ok((here, there)) = socket::socket_pair(black_box(socket::SocketType::Stream)) {
        let mut descriptors = socket::ReceivedFds::<{ socket::MAX_DESCRIPTORS }>::new();
        count(socket::send(&here, bytes, &[there.as_fd()]).is_ok());
        count(socket::receive(&there, &mut buffer, &mut descriptors).is_ok());
        count(descriptors.next().is_some());
        if let Ok(sealed) = SealedMemFd::copy_from_slice(c"x", bytes) {
            count(sealed.send(&here).is_ok());
            count(SealedMemFd::receive(&there, black_box(1)).is_ok());
            let list = [Some(Arg::new(black_box(c"x"))), None];
            if let Some(args) = Args::new(black_box(&list)) {
                count(sealed.check_exec().is_ok());
                count(sealed.exec(args, Args::EMPTY).is_ok());
            }
            count(sealed.load_module(black_box(c"x=y")).is_ok());
            count(boot::kexec_file_load(&sealed, black_box(None), black_box(c"x")).is_ok());
            count(
                boot::kexec_file_load(&sealed, black_box(Some(&sealed)), black_box(c"x")).is_ok(),
            );
            if let Ok(device) = sealed.attach_loop() {
                count(device.path().is_empty());
                count(device.number() == 0);
                count(device.as_fd().as_raw_fd() == 0);
                count(OwnedFd::from(device).as_raw_fd() == 0);
            }
            if let Ok(device) = sealed.attach_loop() {
                count(device.into_raw_fd() == 0);
            }
        }
    }
    count(black_box(Errno::EPERM).name().is_some());
    black_box(done)
}
