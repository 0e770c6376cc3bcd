//! What the library parses: addresses of sockets, names of files, the headers of programs that the
//! kernel does not execute, lists of arguments, and error numbers.

use arbitrary::Arbitrary;
use owned_memfd::{
    CreateError, Errno, MemFdOptions,
    exec::{Args, ExecError, OwnedArgs},
    socket::{self, AddressError, SocketAddr},
};
use seccompiler::{SeccompAction, SeccompFilter, TargetArch};
use std::{
    collections::BTreeMap,
    ffi::{CString, OsStr},
    fs, io,
    os::{
        fd::AsRawFd,
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr as StdAddr, UnixDatagram},
        },
    },
    path::Path,
    sync::Once,
};

#[derive(Arbitrary, Debug)]
pub enum Case {
    Pathname(Vec<u8>),
    Abstract(Vec<u8>),
    Name(Vec<u8>),
    Program(Program),
    Arguments(Vec<Vec<u8>>),
    Number(i32),
}

/// A file that might be a program.
#[derive(Arbitrary, Debug)]
pub enum Program {
    Bytes(Vec<u8>),
    /// Of a header's fields, those that are looked at.
    Elf {
        class: u8,
        order: u8,
        machine: u16,
        parts_offset: u64,
        part_size: u16,
        parts: u16,
        len: u16,
    },
}

/// The longest name of a memory file, and the longest of a socket.
const LONGEST_NAME: usize = 249;
const LONGEST_ADDRESS: usize = 107;

impl Case {
    pub fn run(self) {
        match self {
            Self::Pathname(bytes) => pathname(&bytes),
            Self::Abstract(bytes) => abstract_name(&bytes),
            Self::Name(bytes) => name(&bytes),
            Self::Program(program) => is_explained(&program.content()),
            Self::Arguments(strings) => arguments(&strings),
            Self::Number(number) => error_number(number),
        }
    }
}

fn nul_of(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == 0)
}

fn pathname(bytes: &[u8]) {
    let expected = if bytes.len() > LONGEST_ADDRESS {
        Some(AddressError::TooLong {
            len: bytes.len(),
            max_len: LONGEST_ADDRESS,
        })
    } else if bytes.is_empty() {
        Some(AddressError::Empty)
    } else {
        nul_of(bytes).map(|at| AddressError::HasNul { at })
    };
    match SocketAddr::from_pathname(bytes) {
        Ok(address) => {
            assert_eq!(expected, None);
            assert_eq!(address.to_string(), bytes.escape_ascii().to_string());
            assert!(StdAddr::from_pathname(OsStr::from_bytes(bytes)).is_ok());
        }
        Err(error) => assert_eq!(Some(error), expected),
    }
}

/// What is sent to such a name arrives there.
fn abstract_name(bytes: &[u8]) {
    // Like an arbitrary one, but nobody else's.
    let bytes = [&std::process::id().to_ne_bytes(), bytes].concat();
    let Ok(address) = SocketAddr::from_abstract_name(&bytes[..]) else {
        assert!(bytes.len() > LONGEST_ADDRESS);
        return;
    };
    assert_eq!(address.to_string(), format!("@{}", bytes.escape_ascii()));
    let theirs = StdAddr::from_abstract_name(&bytes).expect("std has such an address too");
    let receiver = UnixDatagram::bind_addr(&theirs).expect("nobody has this name");
    let sender = socket::datagram_socket().expect("there are sockets");
    let sent = socket::send_to(&sender, b"hello", &[], address);
    assert_eq!(sent, Ok(5));
    let mut found = [0; 6];
    assert_eq!(receiver.recv(&mut found).ok(), Some(5));
}

fn name(bytes: &[u8]) {
    let created = MemFdOptions::new().create(bytes);
    match (created, nul_of(bytes)) {
        (Err(CreateError::NameTooLong { len }), _) => {
            assert_eq!(len, bytes.len());
            assert!(len > LONGEST_NAME);
        }
        (Err(CreateError::NameHasNul { at }), nul) => assert_eq!(Some(at), nul),
        (Ok(file), None) => {
            assert!(bytes.len() <= LONGEST_NAME);
            let link = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
            let expected = [b"/memfd:", bytes, b" (deleted)"].concat();
            assert_eq!(
                link.ok().as_deref(),
                Some(Path::new(OsStr::from_bytes(&expected)))
            );
        }
        (other, _) => panic!("{other:?}"),
    }
}

impl Program {
    fn content(self) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Elf {
                class,
                order,
                machine,
                parts_offset,
                part_size,
                parts,
                len,
            } => {
                let mut bytes = vec![0; 64];
                bytes[..4].copy_from_slice(b"\x7fELF");
                bytes[4] = class;
                bytes[5] = order;
                bytes[18..20].copy_from_slice(&machine.to_le_bytes());
                bytes[32..40].copy_from_slice(&parts_offset.to_le_bytes());
                bytes[54..56].copy_from_slice(&part_size.to_le_bytes());
                bytes[56..58].copy_from_slice(&parts.to_le_bytes());
                bytes.resize(usize::from(len % 256), 0);
                bytes
            }
        }
    }
}

/// A file that the kernel does not execute is told what it is.
fn is_explained(content: &[u8]) {
    static FILTER: Once = Once::new();
    // From now on nothing is executed: `execveat` fails as it does with what is no program.
    FILTER.call_once(|| forbid_execution().expect("a filter is installed"));

    let options = MemFdOptions::new().executable(true);
    // Where `vm.memfd_noexec` forbids it, there is no such file.
    let Ok(file) = options.create("program") else {
        return;
    };
    file.write_all_at(content, 0).expect("there is memory");
    let Err(error) = file.exec(Args::EMPTY, Args::EMPTY);
    assert_eq!(error, expected(content));
    assert!(!error.to_string().is_empty());
}

fn forbid_execution() -> Result<(), Box<dyn std::error::Error>> {
    let rules = BTreeMap::from([(libc::SYS_execveat, vec![])]);
    let errno = SeccompAction::Errno(libc::ENOEXEC.cast_unsigned());
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, errno, arch)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

/// What the headers say, field by field, as elf.h has them.
fn expected(content: &[u8]) -> ExecError {
    const OWN: u16 = if cfg!(target_arch = "x86_64") {
        62
    } else if cfg!(target_arch = "aarch64") {
        183
    } else {
        243
    };

    if content.is_empty() {
        return ExecError::Empty;
    }
    // A file may also end within these bytes.
    if content
        .iter()
        .zip(b"\x7fELF")
        .any(|(found, magic)| found != magic)
    {
        return ExecError::InvalidExecutable;
    }
    let pair = |at: usize| content.get(at..at + 2)?.first_chunk::<2>();
    let Some(machine) = pair(18) else {
        return ExecError::Truncated;
    };
    let machine = if content[5] == 2 {
        u16::from_be_bytes(*machine)
    } else {
        u16::from_le_bytes(*machine)
    };
    if (machine, content[4], content[5]) != (OWN, 2, 1) {
        return ExecError::OtherMachine { machine };
    }
    let Some(header) = content.first_chunk::<64>() else {
        return ExecError::Truncated;
    };
    let half = |at: usize| u128::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let offset = header[32..40]
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    if u128::from(offset) + half(54) * half(56) > content.len() as u128 {
        return ExecError::Truncated;
    }
    ExecError::InvalidExecutable
}

fn arguments(strings: &[Vec<u8>]) {
    let texts: Result<Vec<_>, _> = strings.iter().map(|text| CString::new(&text[..])).collect();
    let made = OwnedArgs::new(strings.iter().map(|text| OsStr::from_bytes(text)));
    match (made, texts) {
        (Ok(args), Ok(texts)) => {
            assert_eq!(format!("{args:?}"), format!("{texts:?}"));
            let clone = args.clone();
            drop(args);
            let collected: OwnedArgs = texts.into_iter().collect();
            assert_eq!(format!("{clone:?}"), format!("{collected:?}"));
        }
        (Err(found), Err(expected)) => {
            assert_eq!(found.nul_position(), expected.nul_position());
        }
        (made, texts) => panic!("{made:?}, {texts:?}"),
    }
}

fn error_number(number: i32) {
    let errno = Errno::from_raw_os_error(number);
    assert_eq!(errno.raw_os_error(), number);
    let error = io::Error::from(errno);
    assert_eq!(error.raw_os_error(), Some(number));
    let (message, debug) = (errno.to_string(), format!("{errno:?}"));
    assert!(!message.is_empty());
    match errno.name() {
        Some(name) => assert_eq!(debug, name),
        None => assert!(debug.contains(&number.to_string()), "{debug}"),
    }
}
