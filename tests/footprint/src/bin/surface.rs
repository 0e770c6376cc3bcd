//! Calls every function of the crate, with values that the compiler does not know. It links only
//! if no function can panic or needs a function of a C library.
//!
//! The functions of traits are called too, except for those that print a value.
//! `tests/boundaries` reports each `pub fn` that is not called here.
#![no_std]
#![no_main]

use core::{ffi::CStr, fmt::Write, hint::black_box, sync::atomic::Ordering, time::Duration};
use owned_memfd::{
    AccessError, BorrowedMemFd, BorrowedSealedMemFd, CreateError, Errno, HugePageSize, MapError,
    MemFdFlags, MemFdOptions, OwnedMemFd, SealError, SealedMemFd, Seals, SeekFrom, SharedMapMut,
    TransferCause, VerifyError, VerifyErrorKind, boot,
    exec::{self, Arg, Args},
    fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    socket,
};

footprint::program!(main);

/// How many results were as expected, so that each of them is used.
#[derive(Default)]
struct Tally(i32);

impl Tally {
    fn is(&mut self, as_expected: bool) {
        self.0 += i32::from(as_expected);
    }

    /// Counts a result. Its error becomes a number, which the conversions to `Errno` allow.
    fn ok<T, E: Into<Errno>>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                self.is(true);
                Some(value)
            }
            Err(error) => {
                self.0 += error.into().raw_os_error();
                None
            }
        }
    }

    /// Counts an error, and takes the descriptor back that was rejected.
    fn rejected<F: AsFd>(&mut self, error: VerifyError<F>) -> F {
        self.is(error.kind() == VerifyErrorKind::NotMemFd);
        self.is(error.get_ref().as_fd().as_raw_fd() == 0);
        error.into_inner()
    }
}

/// A descriptor that is not open, so that each call on it returns an error.
fn closed<T: FromRawFd>() -> T {
    // SAFETY: not -1, and nobody has so many descriptors.
    unsafe { T::from_raw_fd(black_box(i32::MAX)) }
}

fn main() -> i32 {
    let mut tally = Tally::default();
    values(&mut tally);
    create(&mut tally);
    files(&mut tally);
    descriptors(&mut tally);
    sealed(&mut tally);
    streams(&mut tally);
    shared(&mut tally);
    sockets(&mut tally);
    programs(&mut tally);
    early_boot(&mut tally);
    black_box(tally.0)
}

fn values(tally: &mut Tally) {
    let errno = Errno::from_raw_os_error(black_box(1));
    tally.is(errno.name().is_some());
    tally.is(errno.raw_os_error() == 1);
    tally.is(Errno::from(VerifyErrorKind::from(errno)) == errno);
    tally.is(Errno::from(MapError::from(errno)) == errno);
    tally.is(Errno::from(AccessError::Misaligned { align: 4 }) == errno);
    let created = CreateError::from(VerifyErrorKind::from(errno));
    tally.is(created == CreateError::Kernel(errno));
    tally.is(Errno::from(SealError::Kernel(errno)) == errno);
    let size = HugePageSize::from_bytes(black_box(1)).unwrap_or(HugePageSize::DEFAULT);
    tally.is(black_box(size).bytes().is_some());
    tally.is(MemFdFlags::huge_pages(black_box(size)).contains(MemFdFlags::CLOEXEC));
}

fn create(tally: &mut Tally) {
    tally.ok(OwnedMemFd::create(
        black_box(c"x"),
        black_box(MemFdFlags::CLOEXEC),
    ));
    let options = black_box(MemFdOptions::default())
        .executable(black_box(true))
        .sealable(black_box(true))
        .close_on_exec(black_box(true))
        .exec_seal(black_box(false))
        .collapse(black_box(true));
    tally.ok(options.create(black_box(c"x")));
    tally.ok(options.create(black_box("x")));
    tally.ok(options.create(black_box(b"x")));
    tally.ok(options.create(black_box(&b"x"[..])));
    let options = MemFdOptions::new().huge_pages(black_box(HugePageSize::DEFAULT));
    tally.ok(options.create(black_box(c"x")));
    tally.ok(options.create_with(black_box(c"x"), black_box(1), write_first));
    tally.ok(options.copy_from_slice(black_box(c"x"), black_box(b"x")));
    if let Some(file) = tally.ok(options.create(black_box(c"x"))) {
        tally.ok(options.copy_from_file(black_box(c"x"), &file, black_box(1)));
    }
    tally.ok(
        options.try_create_with(black_box(c"x"), black_box(1), |bytes| {
            write_first(bytes);
            black_box(Err(Errno::EPERM))
        }),
    );
}

fn write_first(bytes: &mut [u8]) {
    if let Some(byte) = bytes.first_mut() {
        *byte = 1;
    }
}

fn files(tally: &mut Tally) {
    let file: OwnedMemFd = closed();
    let mut buffer = [0_u8; 1];
    let number: u64 = black_box(1);
    let bytes: &[u8] = black_box(b"x");

    tally.ok(file.read(&mut buffer));
    tally.ok(file.read_at(&mut buffer, number));
    tally.ok(file.read_exact_at(&mut buffer, number));
    tally.ok(file.write(bytes));
    tally.ok(file.write_at(bytes, number));
    tally.ok(file.write_all(bytes));
    tally.ok(file.write_all_at(bytes, number));
    tally.ok(file.seek(black_box(SeekFrom::Start(1))));
    tally.ok(file.len());
    tally.ok(file.set_len(number));
    tally.ok(file.allocate(number, number));
    tally.ok(file.punch_hole(number, number));
    tally.ok(file.mode());
    tally.ok(file.page_size());
    tally.ok(file.set_mode(black_box(0o600)));
    if let Err(error) = file.copy_from(file.as_fd(), number) {
        tally.is(error.errno().is_some());
        tally.is(black_box(error).cause == TransferCause::HugePages);
    }
    tally.ok(file.seals());
    tally.ok(file.add_seals(black_box(Seals::WRITE)));
    black_box(file.explain_seal_error(black_box(Errno::EPERM)));
    let cause = file.explain_write_error(black_box(Errno::EPERM));
    tally.is(cause == TransferCause::HugePages);
    tally.ok(file.try_clone());
    tally.ok(file.reopen_read_only());
    tally.is(file.proc_path().is_empty());
    tally.is(AsRef::<CStr>::as_ref(&file.proc_path()).is_empty());
    // SAFETY: nobody has so many descriptors.
    tally.ok(unsafe { file.duplicate_onto(black_box(i32::MAX - 1)) });
    tally.ok(file.send(&file));
    tally.ok(OwnedMemFd::receive(&file));
    tally.ok(file.close_on_exec());
    tally.ok(file.set_close_on_exec(black_box(true)));
    tally.ok(file.close());
}

fn descriptors(tally: &mut Tally) {
    let number: RawFd = closed();
    tally.is(number.as_raw_fd() == 0);
    tally.is(number.into_raw_fd() == 0);
    // SAFETY: not -1, and only shown.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    tally.is(borrowed.as_fd().as_raw_fd() == 0);

    let file: OwnedMemFd = closed();
    tally.is(file.as_raw_fd() == 0);
    let file = OwnedFd::from(file);
    tally.is(file.as_fd().as_raw_fd() == 0);
    let file = match OwnedMemFd::try_from(file) {
        Ok(file) => file.into(),
        Err(error) => tally.rejected(error),
    };
    tally.is(file.into_raw_fd() == 0);
    tally.is(closed::<OwnedMemFd>().into_raw_fd() == 0);

    let fd: OwnedFd = closed();
    tally.ok(fd.try_clone());
    tally.ok(fd.as_fd().try_clone_to_owned());
    if let Some(file) = tally.ok(BorrowedMemFd::try_from(fd.as_fd())) {
        tally.is(file.as_raw_fd() == 0);
        tally.is(file.as_fd().as_raw_fd() == 0);
        tally.ok(file.len());
        tally.is(BorrowedFd::from(file).as_raw_fd() == 0);
    }
    let file: OwnedMemFd = closed();
    tally.ok(BorrowedMemFd::from(&file).len());
}

fn sealed(tally: &mut Tally) {
    let mut buffer = [0_u8; 1];
    tally.ok(SealedMemFd::copy_from_slice(
        black_box(c"x"),
        black_box(b"x"),
    ));
    tally.ok(SealedMemFd::verify_or_copy(closed(), black_box(1)));
    tally.ok(SealedMemFd::try_from(closed::<OwnedFd>()));
    tally.ok(SealedMemFd::try_from(closed::<OwnedMemFd>()));
    if let Err(error) = closed::<OwnedMemFd>().seal() {
        let file = tally.rejected(error);
        tally.ok(file.close());
    }

    let built = SealedMemFd::create_with(black_box("x"), black_box(1), write_first);
    let Some(sealed) = tally.ok(built) else {
        return;
    };
    tally.is(sealed.len() == 1);
    tally.is(sealed.is_empty());
    tally.ok(sealed.require_len(black_box(1)));
    if let Some(map) = tally.ok(sealed.map()) {
        tally.ok(map.populate());
        tally.ok(map.collapse());
        tally.is(map.as_ref().first() == Some(&1));
    }
    if let Some(mut map) = tally.ok(sealed.map_copy()) {
        tally.ok(map.collapse());
        tally.is(map.as_ref().first() == Some(&1));
        tally.is(map.as_mut().last() == Some(&1));
    }
    if let Some(map) = tally.ok(sealed.map_exec()) {
        tally.ok(map.collapse());
        tally.is(map.as_ref().first() == Some(&1));
    }
    if let Some(map) = tally.ok(sealed.map_range(black_box(0)..black_box(1))) {
        tally.is(black_box(&map[..]).first() == Some(&1));
    }
    tally.ok(sealed.read_at(&mut buffer, black_box(0)));
    tally.ok(sealed.seals());
    tally.is(sealed.proc_path().is_empty());
    tally.is(sealed.as_raw_fd() == 0);
    if let Some(other) = tally.ok(sealed.try_clone()) {
        tally.is(other.into_raw_fd() == 0);
    }
    if let Some(other) = tally.ok(sealed.try_clone()) {
        tally.ok(other.as_memfd().len());
        tally.ok(other.into_memfd().close());
    }
    if let Some(other) = tally.ok(sealed.try_clone()) {
        tally.ok(OwnedMemFd::from(other).close());
    }
    if let Some(file) = tally.ok(BorrowedSealedMemFd::verify(&sealed, black_box(1))) {
        tally.is(file.len() == 1);
        tally.is(file.as_raw_fd() == 0);
        tally.is(file.as_fd().as_raw_fd() == 0);
        tally.is(BorrowedFd::from(file).as_raw_fd() == 0);
        tally.is(BorrowedMemFd::from(file).as_raw_fd() == 0);
    }
    if let Some(file) = tally.ok(BorrowedSealedMemFd::verify_fd(sealed.as_fd(), black_box(1))) {
        tally.ok(file.read_at(&mut buffer, black_box(0)));
    }
    tally.is(BorrowedSealedMemFd::from(&sealed).len() == 1);
    tally.ok(BorrowedSealedMemFd::try_from(sealed.as_fd()));
    tally.ok(SealedMemFd::verify(sealed.into(), black_box(1)));
    tally.ok(owned_memfd::has_cve_2026_63952());
}

fn streams(tally: &mut Tally) {
    let mut buffer = [0_u8; 8];
    let options = black_box(MemFdOptions::new());
    // A writer is too large to be moved without `memcpy`.
    let writer = options.writer_with_capacity(black_box(c"x"), black_box(1), &mut buffer);
    if let Ok(writer) = writer {
        tally.ok(writer.finish());
    }
    let Ok(mut writer) = options.writer(black_box("x"), &mut buffer) else {
        return;
    };
    tally.ok(writer.write_all(black_box(b"x")));
    tally.is(writer.write_str(black_box("x")).is_ok());
    tally.ok(write!(writer, "{}{}", black_box("x"), black_box(1)));
    tally.ok(writer.write_fmt(format_args!("{:?}", black_box(Errno::EPERM))));
    tally.ok(writer.flush());
    tally.is(writer.len() == 1);
    tally.is(writer.is_empty());
    let Some(sealed) = tally.ok(writer.finish()) else {
        return;
    };
    let mut reader = sealed.reader(&mut buffer);
    let mut byte = [0_u8; 1];
    tally.ok(reader.read(&mut byte));
    tally.ok(reader.read_exact(&mut byte));
    if let Ok(bytes) = reader.fill_buf() {
        tally.is(bytes.first() == Some(&1));
    }
    reader.consume(black_box(1));
    tally.ok(reader.seek(black_box(SeekFrom::Start(1))));
    tally.is(reader.position() == 1);
}

fn shared(tally: &mut Tally) {
    let mut buffer = [0_u8; 1];
    let Some(file) = tally.ok(MemFdOptions::new().create(c"x")) else {
        return;
    };
    tally.ok(file.set_len(black_box(1)));
    let Some(mut map) = tally.ok(file.map_shared_mut(black_box(0)..black_box(1))) else {
        return;
    };
    tally.is(map.len() == 1);
    tally.is(map.is_empty());
    tally.is(map.as_ptr() == map.as_mut_ptr());
    tally.ok(map.read_exact_at(&mut buffer, black_box(0)));
    tally.ok(map.write_all_at(black_box(b"x"), black_box(0)));
    tally.ok(map.grow(&file, black_box(1)));
    tally.ok(map.collapse());
    tally.ok(file.seal_for_readers());
    integers(tally, &map);
    if let Some(mut view) = tally.ok(file.map_shared(..)) {
        tally.ok(view.grow(&file, black_box(1)));
    }
    if let Some(ring) = tally.ok(file.map_mirrored_mut(..)) {
        tally.is(ring.len() == 2);
    }
    if let Some(ring) = tally.ok(file.map_mirrored(..)) {
        tally.is(ring.len() == 2);
    }
}

fn integers(tally: &mut Tally, map: &SharedMapMut) {
    let order = black_box(Ordering::SeqCst);
    if let Some(byte) = tally.ok(map.atomic_mut::<u8>(black_box(0))) {
        byte.store(black_box(1), order);
        tally.is(byte.load(order) == 1);
    }
    if let Some(short) = tally.ok(map.atomic_mut::<u16>(black_box(0))) {
        short.store(black_box(1), order);
        tally.is(short.load(order) == 1);
    }
    if let Some(word) = tally.ok(map.atomic_mut::<u32>(black_box(0))) {
        word.store(black_box(1), order);
        tally.is(word.load(order) == word.swap(black_box(2), order));
        tally.is(word.fetch_add(black_box(1), order) == 1);
        tally.is(word.compare_exchange(black_box(1), black_box(2), order, order) == Ok(1));
    }
    if let Some(long) = tally.ok(map.atomic_mut::<u64>(black_box(0))) {
        long.store(black_box(1), order);
        tally.is(long.load(order) == long.swap(black_box(2), order));
        tally.is(long.fetch_add(black_box(1), order) == 1);
        tally.is(long.compare_exchange(black_box(1), black_box(2), order, order) == Ok(1));
    }
    if let Some(word) = tally.ok(map.atomic::<u32>(black_box(0))) {
        tally.ok(word.wait(black_box(1), black_box(Some(Duration::ZERO))));
        tally.ok(word.wake(black_box(1)));
    }
}

fn sockets(tally: &mut Tally) {
    let mut buffer = [0_u8; 1];
    let pair = socket::socket_pair(black_box(socket::SocketType::Stream));
    let Some((here, there)) = tally.ok(pair) else {
        return;
    };
    let mut descriptors = socket::ReceivedFds::<{ socket::MAX_DESCRIPTORS }>::new();
    tally.ok(socket::send(&here, black_box(b"x"), &[there.as_fd()]));
    tally.ok(socket::receive(&there, &mut buffer, &mut descriptors));
    tally.is(descriptors.len() == 1);
    tally.is(descriptors.next().is_some());
    let mut one = socket::ReceivedFds::<1>::default();
    tally.ok(socket::receive(&there, &mut buffer, &mut one));
    if let Some(sealed) = tally.ok(SealedMemFd::copy_from_slice(c"x", b"x")) {
        tally.ok(sealed.send(&here));
        tally.ok(SealedMemFd::receive(&there, black_box(1)));
        let time = black_box(Duration::ZERO);
        tally.ok(socket::receive_timeout(&there, &mut buffer, &mut one, time));
        tally.ok(SealedMemFd::receive_timeout(&there, black_box(1), time));
        tally.ok(OwnedMemFd::receive_timeout(&there, time));
        addresses(tally, &sealed);
    }
}

fn addresses(tally: &mut Tally, sealed: &SealedMemFd) {
    let Some(socket) = tally.ok(socket::datagram_socket()) else {
        return;
    };
    if let Some(path) = tally.ok(socket::SocketAddr::from_pathname(black_box("/x"))) {
        tally.ok(socket::send_to(&socket, b"x", &[sealed.as_fd()], path));
        tally.ok(sealed.send_to(&socket, path));
        tally.ok(sealed.as_memfd().send_to(&socket, path));
    }
    if let Some(name) = tally.ok(socket::SocketAddr::from_abstract_name(black_box("x"))) {
        tally.ok(socket::send_to(&socket, b"", &[sealed.as_fd(); 9], name));
    }
}

fn programs(tally: &mut Tally) {
    let list = [
        Some(Arg::new(black_box(c"x"))),
        Some(Arg::from(black_box(c"x"))),
        None,
    ];
    let Some(args) = Args::new(black_box(&list)) else {
        return;
    };
    let env = [black_box(c"x=y").as_ptr(), core::ptr::null()];
    // SAFETY: a list of C strings that ends in null, and outlives its use.
    let env = unsafe { Args::from_ptr(black_box(&env).as_ptr()) };
    let file: OwnedMemFd = closed();
    tally.ok(file.check_exec());
    tally.ok(file.exec(args, env));
    if let Some(sealed) = tally.ok(SealedMemFd::copy_from_slice(c"x", b"x")) {
        tally.ok(sealed.check_exec());
        tally.ok(sealed.exec(args, Args::EMPTY));
    }
    tally.ok(exec::ensure_sealed(args, env));
}

fn early_boot(tally: &mut Tally) {
    let file: OwnedMemFd = closed();
    tally.ok(file.load_module(black_box(c"x=y")));
    if let Some(device) = tally.ok(file.attach_loop()) {
        tally.is(device.into_raw_fd() == 0);
    }
    let Some(sealed) = tally.ok(SealedMemFd::copy_from_slice(c"x", b"x")) else {
        return;
    };
    tally.ok(sealed.load_module(black_box(c"x=y")));
    for initrd in [None, Some(&sealed)] {
        tally.ok(boot::kexec_file_load(
            &sealed,
            black_box(initrd),
            black_box(c"x"),
        ));
    }
    if let Some(device) = tally.ok(sealed.attach_loop()) {
        tally.is(device.path().is_empty());
        tally.is(device.number() == 0);
        tally.is(device.as_fd().as_raw_fd() == 0);
        tally.is(device.as_raw_fd() == 0);
        tally.is(OwnedFd::from(device).as_raw_fd() == 0);
    }
}
