//! Claims about errors: every error number of Linux on these CPUs has its name and a message, and
//! the kernel's errors become them.

use crate::{Verdict, World, claim::Text, kernel};
use core::fmt::Write;
use owned_memfd::{
    AccessError, CreateError, Errno, MapError, OwnedMemFd, SealError, SealedMemFd, Seals,
    TransferCause, TransferError, TryCreateError, VerifyError, VerifyErrorKind, exec::ExecError,
    socket::ReceiveError,
};

claims!(
    every_error_of_linux_has_its_number_and_name,
    other_numbers_have_no_name,
    the_other_spellings_are_the_same_errors,
    every_error_has_a_message_of_its_own,
    numbers_survive_the_way_there_and_back,
    an_error_is_four_bytes_and_an_error_for_core,
    the_kernels_answer_becomes_the_error_of_that_number,
    every_error_of_the_library_becomes_an_errno,
    refusals_and_stops_say_why,
    every_error_becomes_the_errno_that_comes_nearest,
    an_errno_becomes_every_error_and_comes_back,
);

/// Number and name from asm-generic/errno-base.h and errno.h, which all three CPUs use. The
/// library's constants are looked up by the same names.
macro_rules! table {
    ($($name:ident = $number:literal),* $(,)?) => {
        const TABLE: &[(i32, &str, Errno)] = &[$(($number, stringify!($name), Errno::$name)),*];
    };
}

#[rustfmt::skip]
table! {
    EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4,
    EIO = 5, ENXIO = 6, E2BIG = 7, ENOEXEC = 8,
    EBADF = 9, ECHILD = 10, EAGAIN = 11, ENOMEM = 12,
    EACCES = 13, EFAULT = 14, ENOTBLK = 15, EBUSY = 16,
    EEXIST = 17, EXDEV = 18, ENODEV = 19, ENOTDIR = 20,
    EISDIR = 21, EINVAL = 22, ENFILE = 23, EMFILE = 24,
    ENOTTY = 25, ETXTBSY = 26, EFBIG = 27, ENOSPC = 28,
    ESPIPE = 29, EROFS = 30, EMLINK = 31, EPIPE = 32,
    EDOM = 33, ERANGE = 34, EDEADLK = 35, ENAMETOOLONG = 36,
    ENOLCK = 37, ENOSYS = 38, ENOTEMPTY = 39, ELOOP = 40,
    ENOMSG = 42, EIDRM = 43, ECHRNG = 44, EL2NSYNC = 45,
    EL3HLT = 46, EL3RST = 47, ELNRNG = 48, EUNATCH = 49,
    ENOCSI = 50, EL2HLT = 51, EBADE = 52, EBADR = 53,
    EXFULL = 54, ENOANO = 55, EBADRQC = 56, EBADSLT = 57,
    EBFONT = 59, ENOSTR = 60, ENODATA = 61, ETIME = 62,
    ENOSR = 63, ENONET = 64, ENOPKG = 65, EREMOTE = 66,
    ENOLINK = 67, EADV = 68, ESRMNT = 69, ECOMM = 70,
    EPROTO = 71, EMULTIHOP = 72, EDOTDOT = 73, EBADMSG = 74,
    EOVERFLOW = 75, ENOTUNIQ = 76, EBADFD = 77, EREMCHG = 78,
    ELIBACC = 79, ELIBBAD = 80, ELIBSCN = 81, ELIBMAX = 82,
    ELIBEXEC = 83, EILSEQ = 84, ERESTART = 85, ESTRPIPE = 86,
    EUSERS = 87, ENOTSOCK = 88, EDESTADDRREQ = 89, EMSGSIZE = 90,
    EPROTOTYPE = 91, ENOPROTOOPT = 92, EPROTONOSUPPORT = 93, ESOCKTNOSUPPORT = 94,
    EOPNOTSUPP = 95, EPFNOSUPPORT = 96, EAFNOSUPPORT = 97, EADDRINUSE = 98,
    EADDRNOTAVAIL = 99, ENETDOWN = 100, ENETUNREACH = 101, ENETRESET = 102,
    ECONNABORTED = 103, ECONNRESET = 104, ENOBUFS = 105, EISCONN = 106,
    ENOTCONN = 107, ESHUTDOWN = 108, ETOOMANYREFS = 109, ETIMEDOUT = 110,
    ECONNREFUSED = 111, EHOSTDOWN = 112, EHOSTUNREACH = 113, EALREADY = 114,
    EINPROGRESS = 115, ESTALE = 116, EUCLEAN = 117, ENOTNAM = 118,
    ENAVAIL = 119, EISNAM = 120, EREMOTEIO = 121, EDQUOT = 122,
    ENOMEDIUM = 123, EMEDIUMTYPE = 124, ECANCELED = 125, ENOKEY = 126,
    EKEYEXPIRED = 127, EKEYREVOKED = 128, EKEYREJECTED = 129, EOWNERDEAD = 130,
    ENOTRECOVERABLE = 131, ERFKILL = 132, EHWPOISON = 133,
}

fn every_error_of_linux_has_its_number_and_name(_: &World) -> Verdict {
    // 133 is the highest; the headers leave out 41 and 58.
    same!(TABLE.len(), 131);
    for &(number, name, errno) in TABLE {
        same!(errno.raw_os_error(), number);
        same!(errno.name(), Some(name));
        same!(Text::of(format_args!("{errno:?}")).as_str(), name);
    }
    Ok(())
}

fn other_numbers_have_no_name(_: &World) -> Verdict {
    for number in [0, 41, 58, 134, 512, 4095, -1, i32::MAX, i32::MIN] {
        let errno = Errno::from_raw_os_error(number);
        same!(errno.name(), None);
        // An unknown error prints its number.
        let digits = Text::of(number);
        for said in [Text::of(errno), Text::of(format_args!("{errno:?}"))] {
            holds!(
                said.as_str().contains(digits.as_str()),
                "{said:?} lacks {number}"
            );
        }
    }
    Ok(())
}

fn the_other_spellings_are_the_same_errors(_: &World) -> Verdict {
    same!(Errno::EWOULDBLOCK, Errno::EAGAIN);
    same!(Errno::EDEADLOCK, Errno::EDEADLK);
    same!(Errno::ENOTSUP, Errno::EOPNOTSUPP);
    holds!(Errno::EPERM != Errno::EACCES);
    Ok(())
}

fn every_error_has_a_message_of_its_own(_: &World) -> Verdict {
    for (index, &(number, _, errno)) in TABLE.iter().enumerate() {
        let message = Text::of(errno);
        let message = message.as_str();
        holds!(
            message.len() > 3 && !message.ends_with('.'),
            "{number}: {message:?}"
        );
        holds!(!message.contains("unknown"), "{number}: {message:?}");
        for &(_, _, other) in &TABLE[..index] {
            holds!(
                Text::of(other).as_str() != message,
                "{other:?} and {errno:?}: {message:?}"
            );
        }
    }
    same!(Text::of(Errno::EPERM).as_str(), "operation not permitted");
    same!(
        Text::of(Errno::EHWPOISON).as_str(),
        "memory page has hardware error"
    );
    Ok(())
}

fn numbers_survive_the_way_there_and_back(_: &World) -> Verdict {
    for number in (0..=4095).chain([-1, i32::MAX, i32::MIN]) {
        same!(Errno::from_raw_os_error(number).raw_os_error(), number);
    }
    Ok(())
}

fn an_error_is_four_bytes_and_an_error_for_core(_: &World) -> Verdict {
    fn is_an_error<T: core::error::Error + Copy + Eq + Send + Sync + 'static>() {}
    is_an_error::<Errno>();
    is_an_error::<TransferError>();
    is_an_error::<VerifyErrorKind>();
    is_an_error::<VerifyError<i32>>();
    is_an_error::<SealError>();
    same!(size_of::<Errno>(), 4);
    Ok(())
}

fn the_kernels_answer_becomes_the_error_of_that_number(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    // These calls return a count, a set of bits, or nothing.
    refused!(file.read_at(&mut [0], u64::MAX), Errno::EINVAL);
    let (pipe, _other_end) = ok!(kernel::pipe());
    let pipe = crate::raw::disguise(pipe);
    refused!(pipe.seals(), Errno::EINVAL);
    refused!(pipe.seek(owned_memfd::SeekFrom::Start(0)), Errno::ESPIPE);
    refused!(pipe.write(b"x"), Errno::EBADF);
    refused!(pipe.set_len(0), Errno::EINVAL);
    Ok(())
}

const TOO_LARGE: VerifyErrorKind = VerifyErrorKind::TooLarge {
    len: 123,
    max_len: 45,
};

const WRONG_LEN: VerifyErrorKind = VerifyErrorKind::WrongLen {
    len: 67,
    required: 89,
};

/// What `?` makes of an error in a function that returns an errno.
fn passed_on<E>(error: E) -> Errno
where
    Errno: From<E>,
    E: core::error::Error,
{
    let outcome = move || -> Result<core::convert::Infallible, Errno> { Err(error)? };
    let Err(errno) = outcome();
    errno
}

/// Why no file is made, apart from what the kernel returns, and the errno of that.
const CREATION: [(CreateError, Errno); 6] = [
    (CreateError::NameHasNul { at: 1 }, Errno::EINVAL),
    (CreateError::NameTooLong { len: 250 }, Errno::EINVAL),
    (CreateError::TooLong { len: 1 }, Errno::EINVAL),
    (
        CreateError::PartialHugePage {
            len: 1,
            page_size: 2,
        },
        Errno::EINVAL,
    ),
    (CreateError::NoHugePages { len: 1 }, Errno::ENOSPC),
    (CreateError::WriteOnHugePages, Errno::EINVAL),
];

/// What becomes of each reason why a file is not taken, apart from a kernel's.
const VERIFICATION: [(VerifyErrorKind, Errno); 12] = [
    (VerifyErrorKind::NotMemFd, Errno::EINVAL),
    (VerifyErrorKind::NotRegular, Errno::EINVAL),
    (VerifyErrorKind::CanChange, Errno::EINVAL),
    (VerifyErrorKind::CanBlock, Errno::EINVAL),
    (VerifyErrorKind::PathOnly, Errno::EBADF),
    (VerifyErrorKind::WriteOnly, Errno::EBADF),
    (
        VerifyErrorKind::Seal(SealError::MappedOrPinned),
        Errno::EBUSY,
    ),
    (VerifyErrorKind::MissingSeals(Seals::WRITE), Errno::EPERM),
    (VerifyErrorKind::FutureWriteOnly, Errno::EPERM),
    (VerifyErrorKind::ForgeableSeals, Errno::EPERM),
    (TOO_LARGE, Errno::EFBIG),
    (WRONG_LEN, Errno::EINVAL),
];

/// What becomes of each reason why a file is not executed, apart from a kernel's.
const EXECUTION: [(ExecError, Errno); 9] = [
    (ExecError::NotExecutable, Errno::EACCES),
    (ExecError::ExecutableFileBusy, Errno::ETXTBSY),
    (ExecError::InvalidExecutable, Errno::ENOEXEC),
    (ExecError::ScriptCloseOnExec, Errno::ENOENT),
    (ExecError::NoInterpreter, Errno::ENOENT),
    (ExecError::NoDevFd, Errno::ENOENT),
    (ExecError::HugePages, Errno::EINVAL),
    (ExecError::UnprovenLength, Errno::EFBIG),
    (ExecError::UnsealedCopy, Errno::ELOOP),
];

fn every_error_of_the_library_becomes_an_errno(_: &World) -> Verdict {
    // No error of the library's own becomes this one.
    const KERNEL: Errno = Errno::EXDEV;

    for (kind, errno) in VERIFICATION
        .into_iter()
        .chain([(VerifyErrorKind::Kernel(KERNEL), KERNEL)])
    {
        same!(passed_on(kind), errno);
        same!(passed_on(MapError::Verify(kind)), errno);
        same!(passed_on(CreateError::Verify(kind)), errno);
    }
    same!(passed_on(KERNEL), KERNEL);
    for (cause, expected) in [
        (TransferCause::Kernel(KERNEL), KERNEL),
        (TransferCause::EndOfFile, Errno::EIO),
        (TransferCause::ReadOnly, Errno::EBADF),
        (TransferCause::WriteOnly, Errno::EBADF),
        (TransferCause::Sealed(Seals::WRITE), Errno::EPERM),
        (TransferCause::HugePages, Errno::EINVAL),
    ] {
        same!(passed_on(TransferError { done: 1, cause }), expected);
    }
    for (error, errno) in CREATION
        .into_iter()
        .chain([(CreateError::Kernel(KERNEL), KERNEL)])
    {
        same!(passed_on(error), errno);
        same!(passed_on(TryCreateError::<Errno>::Create(error)), errno);
        same!(passed_on(TryCreateError::Fill(error)), errno);
    }
    for (error, errno) in [
        (MapError::Kernel(KERNEL), KERNEL),
        (MapError::OutOfBounds { bound: 2, len: 1 }, Errno::EINVAL),
        (MapError::Reversed { start: 2, end: 1 }, Errno::EINVAL),
        (MapError::OtherFile, Errno::EINVAL),
    ] {
        same!(passed_on(error), errno);
    }
    for error in [
        AccessError::OutOfBounds { len: 1 },
        AccessError::Misaligned { align: 8 },
    ] {
        same!(passed_on(error), Errno::EINVAL);
    }
    // Of the errnos that `add_seals` returns, each cause has its own.
    for (error, errno) in [
        (SealError::ReadOnly, Errno::EPERM),
        (SealError::SealingClosed, Errno::EPERM),
        (SealError::MappedOrPinned, Errno::EBUSY),
        (SealError::UnknownSeal, Errno::EINVAL),
        (SealError::NotMemFd, Errno::EINVAL),
        (SealError::Kernel(KERNEL), KERNEL),
    ] {
        same!(passed_on(error), errno);
    }
    for (error, errno) in EXECUTION
        .into_iter()
        .chain([(ExecError::Kernel(KERNEL), KERNEL)])
    {
        same!(passed_on(error), errno);
    }
    for (error, errno) in [
        (ReceiveError::Closed, Errno::EPIPE),
        (ReceiveError::NoDescriptor, Errno::ENOMSG),
        (ReceiveError::TooManyDescriptors, Errno::EMFILE),
        (ReceiveError::ControlTruncated, Errno::EMFILE),
        (ReceiveError::DataTruncated, Errno::EMSGSIZE),
        (ReceiveError::Kernel(KERNEL), KERNEL),
    ] {
        same!(passed_on(error), errno);
    }
    // Those that give something back become what their reason becomes.
    let (pipe, other_end) = ok!(kernel::pipe());
    let Err(refused) = SealedMemFd::verify(pipe, 1) else {
        fail!("a pipe is proven");
    };
    same!(passed_on(ReceiveError::Verify(refused)), Errno::EINVAL);
    let Err(refused) = SealedMemFd::try_from(crate::raw::disguise(other_end)) else {
        fail!("a pipe is proven");
    };
    same!(passed_on(refused), Errno::EINVAL);
    Ok(())
}

#[allow(clippy::too_many_lines, reason = "it is a table")]
fn refusals_and_stops_say_why(_: &World) -> Verdict {
    use core::error::Error;

    let (pipe, _) = ok!(kernel::pipe());
    let Err(refused) = OwnedMemFd::try_from(pipe) else {
        fail!("a pipe is a memory file");
    };
    same!(refused.kind(), VerifyErrorKind::NotMemFd);
    same!(
        Text::of(&refused).as_str(),
        Text::of(VerifyErrorKind::NotMemFd).as_str()
    );
    // An error does not return as its source what its own message says already, so a chain of
    // errors says each thing once.
    holds!(refused.source().is_none());
    same!(Errno::from(refused), Errno::EINVAL);
    let (_, write_end) = ok!(kernel::pipe());
    let Err(refused) = crate::raw::disguise(write_end).seal() else {
        fail!("a pipe is sealed");
    };
    same!(refused.kind(), VerifyErrorKind::NotMemFd);
    // What the kernel says without a known cause has its name, too.
    let said = Text::of(SealError::Kernel(Errno::EXDEV));
    holds!(said.as_str().contains("EXDEV"), "{said:?}");
    let said = Text::of(VerifyErrorKind::Seal(SealError::ReadOnly));
    holds!(said.as_str().contains("not open for writing"), "{said:?}");
    same!(Errno::from(refused), Errno::EINVAL);
    let mut reasons = Text::default();
    for (reason, numbers) in [(TOO_LARGE, ["123", "45"]), (WRONG_LEN, ["67", "89"])] {
        let said = Text::of(reason);
        holds!(
            numbers.iter().all(|number| said.as_str().contains(number)),
            "{said:?}"
        );
    }
    for reason in [
        VerifyErrorKind::NotMemFd,
        VerifyErrorKind::NotRegular,
        VerifyErrorKind::CanChange,
        VerifyErrorKind::CanBlock,
        VerifyErrorKind::PathOnly,
        VerifyErrorKind::WriteOnly,
    ] {
        holds!(reason.source().is_none());
        let said = Text::of(reason);
        holds!(!reasons.as_str().contains(said.as_str()), "{said:?} twice");
        ok!(reasons.write_str(said.as_str()));
    }
    for (missing, consequence) in [
        (
            Seals::SHRINK,
            "F_SEAL_SHRINK, without which it could get shorter",
        ),
        (
            Seals::WRITE,
            "F_SEAL_WRITE, without which its content could change",
        ),
        (
            Seals::SHRINK | Seals::WRITE,
            "without which its content could change or disappear",
        ),
    ] {
        let said = Text::of(VerifyErrorKind::MissingSeals(missing));
        holds!(said.as_str().ends_with(consequence), "{said:?}");
    }
    // Somebody who copies a file has asked for no memory file.
    for reason in [VerifyErrorKind::NotRegular, VerifyErrorKind::CanBlock] {
        let said = Text::of(reason);
        holds!(!said.as_str().contains("memory file"), "{said:?}");
    }
    let said = Text::of(CreateError::PartialHugePage {
        len: 1234,
        page_size: 5678,
    });
    holds!(
        said.as_str().contains("1234") && said.as_str().contains("5678"),
        "{said:?}"
    );
    for (error, numbers) in [
        (MapError::OutOfBounds { bound: 34, len: 12 }, ["34", "12"]),
        (MapError::Reversed { start: 56, end: 7 }, ["56", "7"]),
    ] {
        let said = Text::of(error);
        holds!(
            numbers.iter().all(|number| said.as_str().contains(number)),
            "{said:?}"
        );
    }
    // What the kernel says, and what is wrong with a file, is said in the same words by each.
    let kernel = Text::of(Errno::ENOMEM);
    for said in [
        Text::of(MapError::Kernel(Errno::ENOMEM)),
        Text::of(CreateError::Kernel(Errno::ENOMEM)),
        Text::of(TryCreateError::<Errno>::Create(Errno::ENOMEM.into())),
        Text::of(TryCreateError::Fill(Errno::ENOMEM)),
        Text::of(VerifyErrorKind::Kernel(Errno::ENOMEM)),
    ] {
        same!(said.as_str(), kernel.as_str());
    }
    let kind = Text::of(TOO_LARGE);
    for said in [
        Text::of(MapError::Verify(TOO_LARGE)),
        Text::of(CreateError::Verify(TOO_LARGE)),
    ] {
        same!(said.as_str(), kind.as_str());
    }
    let said = Text::of(MapError::OtherFile);
    holds!(said.as_str().contains("another file"), "{said:?}");
    let stop = TransferError {
        done: 12,
        cause: TransferCause::Sealed(Seals::WRITE),
    };
    let said = Text::of(stop);
    holds!(
        said.as_str().contains("12") && said.as_str().contains("sealed with F_SEAL_WRITE"),
        "{said:?}"
    );
    for (cause, why) in [
        (TransferCause::ReadOnly, "not open for writing"),
        (TransferCause::WriteOnly, "not open for reading"),
        (TransferCause::HugePages, "huge pages"),
    ] {
        let said = Text::of(cause);
        holds!(said.as_str().contains(why), "{said:?}");
    }
    let stop = TransferError {
        done: 12,
        cause: TransferCause::EndOfFile,
    };
    let said = Text::of(stop);
    holds!(
        said.as_str().contains("12") && !said.as_str().contains("sealed"),
        "{said:?}"
    );
    Ok(())
}

/// A function that returns nothing but an errno can use `?` on every error of the library.
fn every_error_becomes_the_errno_that_comes_nearest(_: &World) -> Verdict {
    for (kind, errno) in VERIFICATION
        .into_iter()
        .chain([(VerifyErrorKind::Kernel(Errno::EXDEV), Errno::EXDEV)])
    {
        same!(Errno::from(kind), errno);
        same!(Errno::from(CreateError::Verify(kind)), errno);
    }
    for (error, errno) in CREATION
        .into_iter()
        .chain([(CreateError::Kernel(Errno::EXDEV), Errno::EXDEV)])
    {
        same!(Errno::from(error), errno);
    }
    for (error, errno) in [
        (MapError::OutOfBounds { bound: 2, len: 1 }, Errno::EINVAL),
        (MapError::Reversed { start: 2, end: 1 }, Errno::EINVAL),
        (MapError::Kernel(Errno::EXDEV), Errno::EXDEV),
    ] {
        same!(Errno::from(error), errno);
    }
    for (error, errno) in EXECUTION
        .into_iter()
        .chain([(ExecError::Kernel(Errno::EXDEV), Errno::EXDEV)])
    {
        same!(Errno::from(error), errno);
    }
    for (error, errno) in [
        (ReceiveError::Closed, Errno::EPIPE),
        (ReceiveError::NoDescriptor, Errno::ENOMSG),
        (ReceiveError::TooManyDescriptors, Errno::EMFILE),
        (ReceiveError::ControlTruncated, Errno::EMFILE),
        (ReceiveError::DataTruncated, Errno::EMSGSIZE),
        (ReceiveError::Kernel(Errno::EXDEV), Errno::EXDEV),
    ] {
        same!(Errno::from(error), errno);
    }
    let Err(refused) = SealedMemFd::verify(ok!(kernel::holding(b"0123")).into(), 4) else {
        fail!("a file without seals is proven");
    };
    same!(Errno::from(ReceiveError::Verify(refused)), Errno::EPERM);
    let stopped = TransferError {
        done: 1,
        cause: TransferCause::Kernel(Errno::EXDEV),
    };
    same!(Errno::from(stopped), Errno::EXDEV);
    Ok(())
}

fn an_errno_becomes_every_error_and_comes_back(_: &World) -> Verdict {
    let errno = Errno::EXDEV;
    same!(CreateError::from(errno), CreateError::Kernel(errno));
    same!(MapError::from(errno), MapError::Kernel(errno));
    same!(ExecError::from(errno), ExecError::Kernel(errno));
    same!(VerifyErrorKind::from(errno), VerifyErrorKind::Kernel(errno));
    holds!(matches!(ReceiveError::from(errno), ReceiveError::Kernel(same) if same == errno));
    // The kernel's error stays the kernel's, by whichever way it came.
    let kind = VerifyErrorKind::Kernel(errno);
    same!(CreateError::from(kind), CreateError::Kernel(errno));
    same!(VerifyErrorKind::from(SealError::Kernel(errno)), kind);
    let kind = VerifyErrorKind::ForgeableSeals;
    same!(CreateError::from(kind), CreateError::Verify(kind));
    Ok(())
}
