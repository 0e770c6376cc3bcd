//! The table: each call, the errors of its man page, and what else can happen to it.

use super::{
    Argument, Control, Injection, Instead, Message, Part, Path, Result, Row, Written, libc,
    offset_of,
};
use libc::{
    E2BIG, EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, EBADMSG, EBUSY,
    ECONNREFUSED, ECONNRESET, EDEADLK, EDESTADDRREQ, EDQUOT, EEXIST, EFAULT, EFBIG, EHWPOISON,
    EINTR, EINVAL, EIO, EISCONN, EISDIR, EKEYREJECTED, ELIBBAD, ELOOP, EMFILE, EMSGSIZE,
    ENAMETOOLONG, ENFILE, ENOBUFS, ENODATA, ENODEV, ENOENT, ENOEXEC, ENOKEY, ENOLCK, ENOMEM,
    ENOPKG, ENOPROTOOPT, ENOSPC, ENOSYS, ENOTCONN, ENOTDIR, ENOTSOCK, ENOTTY, ENXIO, EOPNOTSUPP,
    EOVERFLOW, EPERM, EPIPE, EPROTONOSUPPORT, EPROTOTYPE, ERANGE, EROFS, ESPIPE, ESRCH, ESTALE,
    ETIMEDOUT, ETOOMANYREFS, ETXTBSY, EXDEV,
};

const FCNTL: &[i32] = &[
    EACCES, EAGAIN, EBADF, EBUSY, EDEADLK, EFAULT, EINTR, EINVAL, EMFILE, ENOLCK, ENOTDIR, EPERM,
];
const READ: &[i32] = &[
    EAGAIN, EBADF, EFAULT, EINTR, EINVAL, EIO, EISDIR, ENXIO, EOVERFLOW, ESPIPE,
];
const WRITE: &[i32] = &[
    EAGAIN,
    EBADF,
    EDESTADDRREQ,
    EDQUOT,
    EFAULT,
    EFBIG,
    EINTR,
    EINVAL,
    EIO,
    ENOSPC,
    ENXIO,
    EOVERFLOW,
    EPERM,
    EPIPE,
    ESPIPE,
];
const STAT: &[i32] = &[
    EACCES,
    EBADF,
    EFAULT,
    EINVAL,
    ELOOP,
    ENAMETOOLONG,
    ENOENT,
    ENOMEM,
    ENOTDIR,
    EOVERFLOW,
];
const HANDLE: &[i32] = &[
    EBADF, EFAULT, EINVAL, ELOOP, ENOENT, ENOTDIR, EOPNOTSUPP, EOVERFLOW, EPERM, ESTALE,
];
const MMAP: &[i32] = &[
    EACCES, EAGAIN, EBADF, EEXIST, EINVAL, ENFILE, ENODEV, ENOMEM, EOVERFLOW, EPERM, ETXTBSY,
];
const MLOCK: &[i32] = &[EAGAIN, EINVAL, ENOMEM, EPERM];
const SEND: &[i32] = &[
    EACCES,
    EAGAIN,
    EALREADY,
    EBADF,
    ECONNREFUSED,
    ECONNRESET,
    EDESTADDRREQ,
    EFAULT,
    EINTR,
    EINVAL,
    EISCONN,
    ELOOP,
    EMSGSIZE,
    ENAMETOOLONG,
    ENOBUFS,
    ENOENT,
    ENOMEM,
    ENOTCONN,
    ENOTDIR,
    ENOTSOCK,
    EOPNOTSUPP,
    EPIPE,
    EPROTOTYPE,
    ETOOMANYREFS,
];
const EXECUTE: &[i32] = &[
    E2BIG,
    EACCES,
    EAGAIN,
    EBADF,
    EFAULT,
    EINVAL,
    EIO,
    EISDIR,
    ELIBBAD,
    ELOOP,
    EMFILE,
    ENAMETOOLONG,
    ENFILE,
    ENOENT,
    ENOEXEC,
    ENOMEM,
    ENOTDIR,
    EPERM,
    ETXTBSY,
];

/// A transfer of less than was asked for.
macro_rules! less {
    ($effect:ident $(, $argument:literal)?) => {
        &[
            Injection::short("half", $effect($($argument,)? |len| len.div_ceil(2))),
            Injection::short("one", $effect($($argument,)? |len| len.min(1))),
        ]
    };
}

/// A transfer of nothing.
const NOTHING: &[Injection] = &[Injection::short("zero", Instead(0))];
/// An end where there is none.
const END: &[Injection] = &[Injection::lie("zero", Instead(0))];
/// A transfer that says that it was more than was asked for.
const MORE: &[Injection] = &[
    Injection::lie("one-more", Result(|done| done + 1)),
    Injection::lie("endless", Result(|_| i64::MAX)),
];
/// Another process has mounted something there.
const OTHER_PATH: &[Injection] = &[Injection::step("other-file", Path(c"/dev/null"))];
/// A call that is not made.
const UNDONE: &[Injection] = &[Injection::lie("undone", Instead(0))];
/// A supervisor that ends when the call is made, but has not returned.
const UNTOLD: &[Injection] = &[Injection::lie("untold", Result(|_| -i64::from(EINTR)))];

const LEN: usize = offset_of!(libc::stat, st_size);
const INODE: usize = offset_of!(libc::stat, st_ino);
const MODE: usize = offset_of!(libc::stat, st_mode);
const BLOCK: usize = offset_of!(libc::stat, st_blksize);

/// Another file, or one that a kernel in user space describes in its own way.
macro_rules! other_file {
    ($argument:literal) => {
        &[
            Injection::lie("other-inode", Written($argument, INODE, |inode| inode + 1)),
            Injection::lie(
                "directory",
                Written($argument, MODE, |mode| of_kind(mode, libc::S_IFDIR)),
            ),
            Injection::lie(
                "pipe",
                Written($argument, MODE, |mode| of_kind(mode, libc::S_IFIFO)),
            ),
            Injection::lie("no-kind", Written($argument, MODE, |mode| of_kind(mode, 0))),
            Injection::lie("shorter", Written($argument, LEN, |len| len / 2)),
            Injection::lie("negative", Written($argument, LEN, |_| u64::MAX)),
            // A sealed file keeps its length.
            Injection::trusted("longer", Written($argument, LEN, |len| len + 1)),
            Injection::lie("no-block", Written($argument, BLOCK, |_| 0)),
            Injection::lie("odd-block", Written($argument, BLOCK, |_| 3)),
            Injection::lie("huge-block", Written($argument, BLOCK, |_| 2 << 20)),
        ]
    };
}

const fn of_kind(mode: u64, kind: u32) -> u64 {
    mode & !(libc::S_IFMT as u64) | kind as u64
}

/// The low half of a word, which is a field of its own, becomes this.
const fn low(word: u64, half: u32) -> u64 {
    word >> 32 << 32 | half as u64
}

const CONTROL_LEN: usize = offset_of!(libc::msghdr, msg_controllen);
const FLAGS: usize = offset_of!(libc::msghdr, msg_flags);

const fn row(
    name: &'static str,
    number: libc::c_long,
    errors: &'static [i32],
    others: &'static [&'static [Injection]],
) -> Row {
    let command = None;
    Row {
        name,
        number,
        command,
        errors,
        others,
    }
}

/// A command of `fcntl`.
const fn fcntl(name: &'static str, command: i32, others: &'static [&'static [Injection]]) -> Row {
    let (number, command) = (libc::SYS_fcntl, Some((1, command)));
    Row {
        name,
        number,
        command,
        errors: FCNTL,
        others,
    }
}

/// All calls of arch/mod.rs. Of several rows for one call, the first is that of the command.
pub const ROWS: &[Row] = &[
    row(
        "memfd_create",
        libc::SYS_memfd_create,
        &[EACCES, EFAULT, EINVAL, EMFILE, ENFILE, ENOMEM, EPERM],
        &[&[
            // gVisor before it knew them.
            Injection::lie("no-exec-flags", Argument(1, |flags| flags & !0x18)),
            Injection::lie("not-sealable", Argument(1, |flags| flags & !2)),
            Injection::lie("inherited", Argument(1, |flags| flags & !1)),
            // With the size of the pages.
            Injection::lie("small-pages", Argument(1, |flags| flags & 0x1b)),
        ]],
    ),
    fcntl(
        "fcntl(F_ADD_SEALS)",
        libc::F_ADD_SEALS,
        &[
            UNDONE,
            UNTOLD,
            &[
                Injection::lie("no-write-seal", Argument(2, |seals| seals & !8)),
                Injection::lie("no-shrink-seal", Argument(2, |seals| seals & !2)),
            ],
        ],
    ),
    fcntl(
        "fcntl(F_GET_SEALS)",
        libc::F_GET_SEALS,
        &[&[
            Injection::lie("none", Result(|_| 0)),
            Injection::lie("no-write-seal", Result(|seals| seals & !8)),
            Injection::lie("future-write", Result(|seals| seals & !8 | 0x10)),
            Injection::lie("executable", Result(|seals| seals | 0x30)),
            Injection::lie("unknown", Result(|seals| seals | 1 << 30)),
            // The proof is what the kernel says here.
            Injection::trusted("all", Result(|seals| seals | 0xf)),
        ]],
    ),
    fcntl(
        "fcntl(F_DUPFD_CLOEXEC)",
        libc::F_DUPFD_CLOEXEC,
        &[&[
            Injection::lie("inherited", Argument(1, |_| libc::F_DUPFD as u64)),
            Injection::lie("any-number", Argument(2, |_| 0)),
        ]],
    ),
    fcntl(
        "fcntl(F_GETFD)",
        libc::F_GETFD,
        &[&[Injection::lie("inverted", Result(|flags| flags ^ 1))]],
    ),
    fcntl("fcntl(F_SETFD)", libc::F_SETFD, &[UNDONE]),
    fcntl(
        "fcntl(F_GETFL)",
        libc::F_GETFL,
        &[&[
            Injection::lie("read-only", Result(|flags| flags & !3)),
            Injection::lie("write-only", Result(|flags| flags & !3 | 1)),
            Injection::lie("path-only", Result(|flags| flags | i64::from(libc::O_PATH))),
        ]],
    ),
    fcntl("fcntl(F_SETFL)", libc::F_SETFL, &[UNDONE]),
    row(
        "close",
        libc::SYS_close,
        &[EBADF, EDQUOT, EINTR, EIO, ENOSPC],
        &[],
    ),
    row(
        "dup3",
        libc::SYS_dup3,
        &[EBADF, EBUSY, EINTR, EINVAL, EMFILE],
        &[UNDONE],
    ),
    row("read", libc::SYS_read, READ, &[less!(Argument, 2), END]),
    row(
        "write",
        libc::SYS_write,
        WRITE,
        &[less!(Argument, 2), NOTHING, MORE, UNTOLD],
    ),
    row("pread", libc::SYS_pread64, READ, &[less!(Argument, 2), END]),
    row(
        "pwrite",
        libc::SYS_pwrite64,
        WRITE,
        &[less!(Argument, 2), NOTHING, MORE, UNTOLD],
    ),
    row(
        "lseek",
        libc::SYS_lseek,
        &[EBADF, EINVAL, ENXIO, EOVERFLOW, ESPIPE],
        &[&[
            Injection::lie("start", Result(|_| 0)),
            Injection::lie("end-of-everything", Result(|_| i64::MAX)),
        ]],
    ),
    row(
        "ftruncate",
        libc::SYS_ftruncate,
        &[
            EACCES,
            EBADF,
            EFAULT,
            EFBIG,
            EINTR,
            EINVAL,
            EIO,
            EISDIR,
            ELOOP,
            ENAMETOOLONG,
            ENOENT,
            ENOTDIR,
            EPERM,
            EROFS,
            ETXTBSY,
        ],
        &[UNDONE, UNTOLD],
    ),
    row(
        "fallocate",
        libc::SYS_fallocate,
        &[
            EBADF, EFBIG, EINTR, EINVAL, EIO, ENODEV, ENOSPC, ENOSYS, EOPNOTSUPP, EPERM, ESPIPE,
            ETXTBSY,
        ],
        &[UNDONE, UNTOLD],
    ),
    row(
        "fchmod",
        libc::SYS_fchmod,
        &[
            EACCES,
            EBADF,
            EFAULT,
            EINVAL,
            EIO,
            ELOOP,
            ENAMETOOLONG,
            ENOENT,
            ENOMEM,
            ENOTDIR,
            EOPNOTSUPP,
            EPERM,
            EROFS,
        ],
        &[UNDONE, UNTOLD],
    ),
    row(
        "fsetxattr",
        libc::SYS_fsetxattr,
        &[
            EACCES,
            EBADF,
            EDQUOT,
            EEXIST,
            EFAULT,
            EINVAL,
            EIO,
            ELOOP,
            ENAMETOOLONG,
            ENODATA,
            ENOENT,
            ENOSPC,
            ENOTDIR,
            EOPNOTSUPP,
            EPERM,
            ERANGE,
            EROFS,
        ],
        &[UNDONE, UNTOLD],
    ),
    row("fstat", libc::SYS_fstat, STAT, &[other_file!(1)]),
    row(
        "fstatat",
        libc::SYS_newfstatat,
        STAT,
        &[OTHER_PATH, other_file!(2)],
    ),
    row(
        "fstatfs",
        libc::SYS_fstatfs,
        &[
            EACCES,
            EBADF,
            EFAULT,
            EINTR,
            EIO,
            ELOOP,
            ENAMETOOLONG,
            ENOENT,
            ENOMEM,
            ENOSYS,
            ENOTDIR,
            EOVERFLOW,
        ],
        &[&[
            Injection::lie("other-type", Written(1, 0, |_| 0)),
            Injection::lie("huge-pages", Written(1, 0, |_| 0x958_458f6)),
            Injection::lie("no-block", Written(1, 8, |_| 0)),
            Injection::lie("odd-block", Written(1, 8, |_| 3)),
            Injection::lie("huge-block", Written(1, 8, |_| 1 << 62)),
        ]],
    ),
    row(
        "copy_file_range",
        libc::SYS_copy_file_range,
        &[
            EBADF, EFBIG, EINVAL, EIO, EISDIR, ENOMEM, ENOSPC, EOPNOTSUPP, EOVERFLOW, EPERM,
            ETXTBSY, EXDEV,
        ],
        &[less!(Argument, 4), NOTHING, MORE, UNTOLD],
    ),
    row(
        "sendfile",
        libc::SYS_sendfile,
        &[
            EAGAIN, EBADF, EFAULT, EINVAL, EIO, ENOMEM, EOVERFLOW, ESPIPE,
        ],
        &[less!(Argument, 3), NOTHING, MORE, UNTOLD],
    ),
    row(
        "splice",
        libc::SYS_splice,
        &[EAGAIN, EBADF, EINVAL, ENOMEM, ESPIPE],
        &[less!(Argument, 4), NOTHING, MORE, UNTOLD],
    ),
    row(
        "prlimit64",
        libc::SYS_prlimit64,
        &[EFAULT, EINVAL, EPERM, ESRCH],
        &[&[
            Injection::lie("nothing", Written(3, 0, |_| 0)),
            Injection::lie("infinity", Written(3, 0, |_| u64::MAX)),
        ]],
    ),
    row(
        "openat",
        libc::SYS_openat,
        &[
            EACCES,
            EAGAIN,
            EBADF,
            EBUSY,
            EDQUOT,
            EEXIST,
            EFAULT,
            EFBIG,
            EINTR,
            EINVAL,
            EISDIR,
            ELOOP,
            EMFILE,
            ENAMETOOLONG,
            ENFILE,
            ENODEV,
            ENOENT,
            ENOMEM,
            ENOSPC,
            ENOTDIR,
            ENXIO,
            EOPNOTSUPP,
            EOVERFLOW,
            EPERM,
            EROFS,
            ETXTBSY,
        ],
        &[OTHER_PATH],
    ),
    row(
        "name_to_handle_at",
        libc::SYS_name_to_handle_at,
        HANDLE,
        &[&[
            Injection::lie("too-long", Written(2, 0, |word| low(word, 1000))),
            Injection::lie("empty", Written(2, 0, |word| low(word, 0))),
            Injection::lie("stale", Written(2, 8, |word| !word)),
        ]],
    ),
    row(
        "open_by_handle_at",
        libc::SYS_open_by_handle_at,
        HANDLE,
        &[],
    ),
    row("mmap", libc::SYS_mmap, MMAP, &[]),
    row("munmap", libc::SYS_munmap, MMAP, &[UNDONE]),
    row(
        "mremap",
        libc::SYS_mremap,
        &[EAGAIN, EFAULT, EINVAL, ENOMEM],
        &[],
    ),
    row(
        "madvise",
        libc::SYS_madvise,
        &[
            EACCES, EAGAIN, EBADF, EBUSY, EFAULT, EHWPOISON, EINVAL, EIO, ENOMEM, EPERM,
        ],
        &[UNDONE],
    ),
    row("mlock", libc::SYS_mlock, MLOCK, &[UNDONE]),
    row("munlock", libc::SYS_munlock, MLOCK, &[UNDONE]),
    row(
        "clock_gettime",
        libc::SYS_clock_gettime,
        &[EACCES, EFAULT, EINVAL, ENODEV, EOPNOTSUPP, EPERM],
        &[&[
            Injection::lie("never", Written(1, 0, |_| 0)),
            Injection::lie("negative", Written(1, 0, |_| u64::MAX)),
            Injection::lie("doomsday", Written(1, 0, |_| i64::MAX as u64)),
            Injection::lie("odd", Written(1, 8, |_| u64::MAX)),
        ]],
    ),
    row(
        "nanosleep",
        libc::SYS_nanosleep,
        &[EFAULT, EINTR, EINVAL],
        &[UNDONE],
    ),
    row(
        "futex",
        libc::SYS_futex,
        &[
            EACCES, EAGAIN, EDEADLK, EFAULT, EINTR, EINVAL, ENFILE, ENOMEM, ENOSYS, EPERM, ESRCH,
            ETIMEDOUT,
        ],
        &[
            // A wait that ends for nothing, as real kernels do.
            UNDONE,
            &[Injection::lie("everybody", Result(|_| i64::from(i32::MAX)))],
        ],
    ),
    row(
        "socket",
        libc::SYS_socket,
        &[
            EACCES,
            EAFNOSUPPORT,
            EINVAL,
            EMFILE,
            ENFILE,
            ENOBUFS,
            ENOMEM,
            EPROTONOSUPPORT,
        ],
        &[],
    ),
    row(
        "socketpair",
        libc::SYS_socketpair,
        &[
            EAFNOSUPPORT,
            EFAULT,
            EMFILE,
            ENFILE,
            EOPNOTSUPP,
            EPROTONOSUPPORT,
        ],
        &[],
    ),
    row(
        "getsockopt",
        libc::SYS_getsockopt,
        &[EBADF, EFAULT, EINVAL, ENOPROTOOPT, ENOTSOCK],
        &[&[Injection::lie("other", Written(3, 0, |word| low(word, 77)))]],
    ),
    row(
        "sendmsg",
        libc::SYS_sendmsg,
        SEND,
        &[less!(Part), END, MORE, UNTOLD],
    ),
    row(
        "recvmsg",
        libc::SYS_recvmsg,
        &[
            EAGAIN,
            EBADF,
            ECONNREFUSED,
            ECONNRESET,
            EFAULT,
            EINTR,
            EINVAL,
            ENOMEM,
            ENOTCONN,
            ENOTSOCK,
        ],
        &[
            less!(Part),
            END,
            MORE,
            &[
                Injection::hidden("untold", Result(|_| -i64::from(EINTR))),
                Injection::hidden("no-control", Message(CONTROL_LEN, |_| 0)),
                Injection::hidden(
                    "cut-control",
                    Message(CONTROL_LEN, |len| len.saturating_sub(4)),
                ),
                Injection::hidden("odd-control", Message(CONTROL_LEN, |_| 17)),
                Injection::hidden("endless-control", Message(CONTROL_LEN, |_| u64::MAX)),
                Injection::lie(
                    "control-cut",
                    Message(FLAGS, |flags| flags | libc::MSG_CTRUNC as u64),
                ),
                Injection::lie(
                    "bytes-cut",
                    Message(FLAGS, |flags| flags | libc::MSG_TRUNC as u64),
                ),
                Injection::hidden("no-message", Control(0, |_| 0)),
                Injection::hidden("half-message", Control(0, |len| len - 2)),
                Injection::hidden("other-message", Control(8, |_| 0x7f_0000_007f)),
            ],
        ],
    ),
    row(
        "ppoll",
        libc::SYS_ppoll,
        &[EFAULT, EINTR, EINVAL, ENOMEM],
        &[&[
            Injection::lie("nothing", Instead(0)),
            Injection::lie("something", Instead(1)),
            Injection::lie("everything", Written(0, 0, |word| word | 0xffff << 48)),
        ]],
    ),
    row(
        "statx",
        libc::SYS_statx,
        &[
            EACCES,
            EBADF,
            EFAULT,
            EINVAL,
            ELOOP,
            ENAMETOOLONG,
            ENOENT,
            ENOMEM,
            ENOTDIR,
        ],
        &[&[
            Injection::lie("unknown", Written(4, 0, |word| low(word, 0))),
            Injection::lie(
                "other-mount",
                Written(4, offset_of!(libc::statx, stx_mnt_id), |id| id + 1),
            ),
        ]],
    ),
    row(
        "readlinkat",
        libc::SYS_readlinkat,
        &[
            EACCES,
            EBADF,
            EFAULT,
            EINVAL,
            EIO,
            ELOOP,
            ENAMETOOLONG,
            ENOENT,
            ENOMEM,
            ENOTDIR,
        ],
        &[less!(Argument, 3), END],
    ),
    row("execve", libc::SYS_execve, EXECUTE, &[UNDONE]),
    row("execveat", libc::SYS_execveat, EXECUTE, &[UNDONE]),
    row(
        "finit_module",
        libc::SYS_finit_module,
        &[
            EACCES,
            EBADF,
            EBADMSG,
            EBUSY,
            EEXIST,
            EFAULT,
            EFBIG,
            EINVAL,
            EKEYREJECTED,
            ENOENT,
            ENOEXEC,
            ENOKEY,
            ENOMEM,
            ENOPKG,
            EPERM,
            ETXTBSY,
        ],
        &[UNDONE],
    ),
    row(
        "kexec_file_load",
        libc::SYS_kexec_file_load,
        &[
            EACCES,
            EADDRNOTAVAIL,
            EBADF,
            EBUSY,
            EINVAL,
            EKEYREJECTED,
            ENOENT,
            ENOEXEC,
            ENOMEM,
            ENOPKG,
            EPERM,
        ],
        &[UNDONE],
    ),
    row(
        "ioctl",
        libc::SYS_ioctl,
        // And those of loop(4).
        &[
            EACCES, EBADF, EBUSY, EFAULT, EINVAL, ENODEV, ENOSPC, ENOTTY, ENXIO,
        ],
        &[
            UNDONE,
            &[Injection::lie(
                "any-number",
                Result(|_| i64::from(i32::MAX)),
            )],
        ],
    ),
];
