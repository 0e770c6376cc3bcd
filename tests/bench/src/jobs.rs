//! The jobs: what is measured, and each way to do it.

use crate::{
    content::{self, PIECE, produce, sum},
    measure::{Effort, Failure, Row, Way, apart, measure, ours, peer, together},
    ours, peers,
    ring::{Memory, REPLY, Ring, Waiting, memory_len},
    second::{IpcEnds, REPLIES, Role, Second, words},
};
use ipc_channel::ipc::{IpcOneShotServer, IpcSharedMemory};
use memfile::{CreateOptions, MemFile, Seal};
use owned_memfd::{
    MemFdOptions, SealedMemFd,
    fd::{AsFd, OwnedFd},
};
use std::{
    cell::RefCell,
    env,
    fs::File,
    hint::black_box,
    io::{BufWriter, Write},
    os::unix::fs::FileExt,
    process::Command,
};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// From here on the kernel has huge pages.
const HUGE: usize = 2 * MIB;

const ALL: [usize; 9] = [
    64,
    KIB,
    4 * KIB,
    64 * KIB,
    MIB,
    HUGE,
    4 * MIB,
    32 * MIB,
    256 * MIB,
];
/// Those that a message has.
const MESSAGES: [usize; 7] = [64, KIB, 4 * KIB, 64 * KIB, MIB, 4 * MIB, 32 * MIB];
/// Those that fill huge pages.
const HUGE_PAGES: [usize; 3] = [HUGE, 4 * MIB, 32 * MIB];
/// How often a file is read that is read often.
const TIMES: usize = 10;
/// Those of a smoke run.
const QUICK: [usize; 5] = [0, 64, 4 * KIB, 64 * KIB, HUGE];

/// A job, which is done with several sizes.
pub(crate) struct Job {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    sizes: &'static [usize],
    row: fn(usize, Effort) -> Result<Row, Failure>,
}

impl Job {
    pub(crate) fn rows(&self, quick: bool) -> Result<Vec<Row>, Failure> {
        let effort = if quick {
            Effort::QUICK
        } else {
            Effort::DEFAULT
        };
        let mut rows = Vec::new();
        for &size in self.sizes {
            if quick && !QUICK.contains(&size) {
                continue;
            }
            let row = (self.row)(size, effort);
            rows.push(row.map_err(|error| format!("{}, {size} bytes: {error}", self.title))?);
        }
        Ok(rows)
    }
}

/// What is measured on every machine.
pub(crate) const JOBS: [Job; 13] = [
    Job {
        title: "Copy into a shared map",
        about: "Bytes are copied into memory that others may write at the same time. The peer is \
                `memcpy` on an unsafe map of the same file.",
        sizes: &ALL,
        row: |size, effort| copy(size, effort, MemFdOptions::new(), true),
    },
    Job {
        title: "Copy out of a shared map",
        about: "The same in the other direction.",
        sizes: &ALL,
        row: |size, effort| copy(size, effort, MemFdOptions::new(), false),
    },
    Job {
        title: "Fill and seal",
        about: "A file is made, filled with contents that are produced 64 KiB at a time, and \
                sealed. Closing it is not counted. Ours also proves it, in two more calls.",
        sizes: &ALL,
        row: fill,
    },
    Job {
        title: "Copy and seal",
        about: "The same with contents that are in memory already.",
        sizes: &ALL,
        row: copy_and_seal,
    },
    Job {
        title: "Read once, mapped",
        about: "A descriptor is verified, its file is mapped, read once, unmapped and closed. Each \
                side reads a file that it filled in place or with `write`.",
        sizes: &ALL,
        row: read_mapped,
    },
    Job {
        title: "Read somebody else's file once, mapped",
        about: "The same, but both read a file that `rustix` filled with `write`.",
        sizes: &ALL,
        row: read_foreign,
    },
    Job {
        title: "Read somebody else's file ten times, mapped",
        about: "The same, but each file is new and is read ten times: time enough to collapse it.",
        sizes: &HUGE_PAGES,
        row: read_often,
    },
    Job {
        title: "Read once, by position",
        about: "A descriptor is verified, its file is read by position through 64 KiB, and closed. \
                Both read a file that `rustix` filled with `write`.",
        sizes: &ALL,
        row: read_by_position,
    },
    Job {
        title: "Map and unmap",
        about: "A file that is proven already is mapped and unmapped. Nothing is read.",
        sizes: &[4 * KIB, 64 * KIB, MIB, HUGE, 4 * MIB, 32 * MIB, 256 * MIB],
        row: map,
    },
    Job {
        title: "Hand a new file to another process",
        about: "A file is made, filled and sealed, its descriptor is sent to a process on another \
                core, which verifies, maps and reads it once, and replies.",
        sizes: &MESSAGES,
        row: hand_over,
    },
    Job {
        title: "Send a message through standing memory",
        about: "A message is copied into a ring, and a process on another core, which sleeps until \
                it is woken, reads it once and replies.",
        sizes: &MESSAGES,
        row: messages,
    },
    Job {
        title: "Ring of records",
        about: "A process on another core copies the records out of a ring while they are copied \
                in. The peer is the same ring with raw pointers.",
        sizes: &[64, KIB, 4 * KIB, 64 * KIB, MIB, 4 * MIB],
        row: ring,
    },
    Job {
        title: "Make and drop an empty file",
        about: "A file is made, sealed and closed. Ours also proves it, in two more calls.",
        sizes: &[0],
        row: lifecycle,
    },
];

/// What needs a pool of huge pages.
pub(crate) const WITH_POOL: [Job; 4] = [
    Job {
        title: "Copy into a shared map, on huge pages of the pool",
        about: "As above, on a file on huge pages.",
        sizes: &HUGE_PAGES,
        row: |size, effort| copy(size, effort, ours::on_huge_pages(), true),
    },
    Job {
        title: "Copy out of a shared map, on huge pages of the pool",
        about: "As above, on a file on huge pages.",
        sizes: &HUGE_PAGES,
        row: |size, effort| copy(size, effort, ours::on_huge_pages(), false),
    },
    Job {
        title: "Fill and seal, on huge pages of the pool",
        about: "As above, in place: such a file cannot be written.",
        sizes: &HUGE_PAGES,
        row: fill_pool,
    },
    Job {
        title: "Read once, mapped, on huge pages of the pool",
        about: "As above, on a file on huge pages.",
        sizes: &HUGE_PAGES,
        row: read_pool,
    },
];

/// A goal that depends on the size: the last one that begins at this size or below.
fn goal(goals: &[(usize, f64)], size: usize) -> Option<f64> {
    let (_, goal) = goals.iter().rfind(|(from, _)| *from <= size)?;
    Some(*goal)
}

fn copy(size: usize, effort: Effort, options: MemFdOptions, into: bool) -> Result<Row, Failure> {
    let file = ours::allocated(options, size)?;
    let map = ours::map_shared(&file)?;
    let raw = peers::Raw::map(&file)?;
    let buffer = RefCell::new(content::bytes(size));
    let ways = if into {
        vec![
            ours("write_all_at", |times| {
                let buffer = buffer.borrow();
                together(times, || {
                    map.write_all_at(black_box(&buffer), 0)?;
                    Ok(())
                })
            }),
            peer("memmap2, memcpy", |times| {
                let buffer = buffer.borrow();
                together(times, || {
                    raw.write(black_box(&buffer), 0);
                    Ok(())
                })
            }),
        ]
    } else {
        vec![
            ours("read_exact_at", |times| {
                let mut buffer = buffer.borrow_mut();
                together(times, || {
                    map.read_exact_at(black_box(&mut buffer), 0)?;
                    Ok(())
                })
            }),
            peer("memmap2, memcpy", |times| {
                let mut buffer = buffer.borrow_mut();
                together(times, || {
                    raw.read(black_box(&mut buffer), 0);
                    Ok(())
                })
            }),
        ]
    };
    let goals = [(0, 0.5), (4 * KIB, 0.9), (64 * KIB, 0.95)];
    measure(size, goal(&goals, size), ways, effort)
}

const TO_FILL: [(usize, f64); 2] = [(0, 1.0), (HUGE, 3.0)];
const SEALS: [Seal; 4] = [Seal::Write, Seal::Shrink, Seal::Grow, Seal::Seal];

fn fill(size: usize, effort: Effort) -> Result<Row, Failure> {
    let piece = &content::bytes(PIECE)[..];
    let buffer = &RefCell::new(vec![0; PIECE]);
    let room = &RefCell::new(vec![0; PIECE]);
    let ways = vec![
        ours("create_with", |times| {
            apart(times, none, |()| {
                ours::fill_in_place(MemFdOptions::new(), size, piece)
            })
        }),
        ours("writer_with_capacity", |times| {
            let (mut room, mut buffer) = (room.borrow_mut(), buffer.borrow_mut());
            apart(times, none, |()| {
                ours::fill_by_writer(size, size, piece, &mut room, &mut buffer)
            })
        }),
        ours("writer", |times| {
            let (mut room, mut buffer) = (room.borrow_mut(), buffer.borrow_mut());
            apart(times, none, |()| {
                ours::fill_by_writer(0, size, piece, &mut room, &mut buffer)
            })
        }),
        ours("write_all, seal", |times| {
            let mut buffer = buffer.borrow_mut();
            apart(times, none, |()| {
                ours::fill_by_pieces(size, piece, &mut buffer)
            })
        }),
        peer("rustix, write", |times| {
            let mut buffer = buffer.borrow_mut();
            apart(times, none, |()| fill_rustix(size, piece, &mut buffer))
        }),
        peer("memfile, memmap2", |times| {
            apart(times, none, |()| {
                let file = CreateOptions::new().allow_sealing(true).create("peer")?;
                file.set_len(size as u64)?;
                let mut map = peers::map_mut(file.as_fd(), size)?;
                produce(piece, &mut map);
                drop(map);
                seal_memfile(&file)?;
                Ok(file)
            })
        }),
        peer("memfd, write", |times| {
            let mut buffer = buffer.borrow_mut();
            apart(times, none, |()| {
                let file = create_memfd()?;
                by_pieces(size, piece, &mut buffer, |made| {
                    Ok(file.as_file().write_all(made)?)
                })?;
                seal_memfd(&file)?;
                Ok(file)
            })
        }),
        peer("std, BufWriter", |times| {
            let mut buffer = buffer.borrow_mut();
            apart(times, none, |()| {
                let mut writer = BufWriter::new(File::from(peers::create()?));
                by_pieces(size, piece, &mut buffer, |made| Ok(writer.write_all(made)?))?;
                let file = writer.into_inner()?;
                peers::seal(&file)?;
                Ok(file)
            })
        }),
    ];
    measure(size, goal(&TO_FILL, size), ways, effort)
}

#[expect(clippy::unnecessary_wraps, reason = "`apart` prepares with it")]
fn none() -> Result<(), Failure> {
    Ok(())
}

/// Produces contents piece by piece, as one does who cannot fill in place.
fn by_pieces(
    size: usize,
    piece: &[u8],
    buffer: &mut [u8],
    mut with: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut rest = size;
    while rest > 0 {
        let made = &mut buffer[..rest.min(PIECE)];
        produce(piece, made);
        with(made)?;
        rest -= made.len();
    }
    Ok(())
}

fn fill_rustix(size: usize, piece: &[u8], buffer: &mut [u8]) -> Result<OwnedFd, Failure> {
    let file = peers::create()?;
    by_pieces(size, piece, buffer, |made| peers::write_all(&file, made))?;
    peers::seal(&file)?;
    Ok(file)
}

fn create_memfd() -> Result<memfd::Memfd, Failure> {
    let options = memfd::MemfdOptions::new().allow_sealing(true);
    Ok(options.close_on_exec(true).create("peer")?)
}

fn seal_memfd(file: &memfd::Memfd) -> Result<(), Failure> {
    use memfd::FileSeal::{SealGrow, SealSeal, SealShrink, SealWrite};

    Ok(file.add_seals(&[SealWrite, SealShrink, SealGrow, SealSeal])?)
}

fn seal_memfile(file: &MemFile) -> Result<(), Failure> {
    let seals = SEALS.into_iter().map(memfile::Seals::from);
    let seals = seals.reduce(|all, seal| all | seal);
    Ok(file.add_seals(seals.ok_or("no seals")?)?)
}

fn copy_and_seal(size: usize, effort: Effort) -> Result<Row, Failure> {
    let content = &content::bytes(size)[..];
    let ways = vec![
        ours("copy_from_slice", |times| {
            apart(times, none, |()| ours::copy(content))
        }),
        ours("create_with", |times| {
            apart(times, none, |()| ours::copy_in_place(content))
        }),
        peer("rustix, write", |times| {
            apart(times, none, |()| copy_rustix(content))
        }),
        peer("memfile, memmap2", |times| {
            apart(times, none, |()| {
                let file = CreateOptions::new().allow_sealing(true).create("peer")?;
                file.set_len(size as u64)?;
                let mut map = peers::map_mut(file.as_fd(), size)?;
                map.copy_from_slice(content);
                drop(map);
                seal_memfile(&file)?;
                Ok(file)
            })
        }),
        peer("memfd, write", |times| {
            apart(times, none, |()| {
                let file = create_memfd()?;
                file.as_file().write_all(content)?;
                seal_memfd(&file)?;
                Ok(file)
            })
        }),
    ];
    measure(size, goal(&TO_FILL, size), ways, effort)
}

fn copy_rustix(content: &[u8]) -> Result<OwnedFd, Failure> {
    let file = peers::create()?;
    peers::write_all(&file, content)?;
    peers::seal(&file)?;
    Ok(file)
}

/// A reader of a descriptor that it has got and closes.
fn reads<'a>(
    file: &'a impl AsFd,
    expected: u64,
    mut read: impl FnMut(OwnedFd) -> Result<u64, Failure> + 'a,
) -> impl FnMut(u32) -> Result<std::time::Duration, Failure> + 'a {
    move |times| {
        let received = || Ok(file.as_fd().try_clone_to_owned()?);
        apart(times, received, |fd| same(read(fd)?, expected))
    }
}

fn same(sum: u64, expected: u64) -> Result<(), Failure> {
    if sum != expected {
        return Err("what was read is not what was written".into());
    }
    Ok(())
}

fn memmap2(fd: &OwnedFd) -> Result<u64, Failure> {
    let len = peers::proven_len(fd)?;
    Ok(sum(&peers::map(fd, len)?))
}

fn read_mapped(size: usize, effort: Effort) -> Result<Row, Failure> {
    let content = content::bytes(size);
    let expected = sum(&content);
    let copied = ours::copy(&content)?;
    let made = ours::copy_in_place(&content)?;
    let theirs = copy_rustix(&content)?;
    let ways = vec![
        ours(
            "map, create_with",
            reads(&made, expected, ours::read_mapped),
        ),
        ours(
            "map, copy_from_slice",
            reads(&copied, expected, ours::read_mapped),
        ),
        peer(
            "memmap2, write",
            reads(&theirs, expected, |fd| memmap2(&fd)),
        ),
    ];
    measure(size, goal(&[(0, 1.0), (HUGE, 2.0)], size), ways, effort)
}

fn read_foreign(size: usize, effort: Effort) -> Result<Row, Failure> {
    let content = content::bytes(size);
    let expected = sum(&content);
    let theirs = copy_rustix(&content)?;
    let ways = vec![
        ours("map", reads(&theirs, expected, ours::read_mapped)),
        peer("memmap2", reads(&theirs, expected, |fd| memmap2(&fd))),
    ];
    measure(size, Some(1.0), ways, effort)
}

fn read_often(size: usize, effort: Effort) -> Result<Row, Failure> {
    let content = &content::bytes(size)[..];
    let expected = sum(content);
    let made = || copy_rustix(content);
    let ways = vec![
        ours("map, collapse", |times| {
            apart(times, made, |fd| {
                same(ours::read_often(fd, TIMES, true)?, expected)
            })
        }),
        ours("map", |times| {
            apart(times, made, |fd| {
                same(ours::read_often(fd, TIMES, false)?, expected)
            })
        }),
        peer("memmap2", |times| {
            apart(times, made, |fd| {
                let len = peers::proven_len(&fd)?;
                let map = peers::map(fd, len)?;
                for _ in 1..TIMES {
                    black_box(sum(&map));
                }
                same(sum(&map), expected)
            })
        }),
    ];
    measure(size, Some(1.0), ways, effort)
}

fn read_by_position(size: usize, effort: Effort) -> Result<Row, Failure> {
    let content = content::bytes(size);
    let expected = sum(&content);
    let theirs = copy_rustix(&content)?;
    let buffer = &RefCell::new(vec![0; PIECE]);
    let ways = vec![
        ours(
            "read_at",
            reads(&theirs, expected, |fd| {
                ours::read_by_position(fd, &mut buffer.borrow_mut())
            }),
        ),
        ours(
            "reader",
            reads(&theirs, expected, |fd| {
                ours::read_by_reader(fd, &mut buffer.borrow_mut())
            }),
        ),
        peer(
            "rustix, pread",
            reads(&theirs, expected, |fd| {
                let len = peers::proven_len(&fd)?;
                let mut all = 0_u64;
                peers::read_by_position(fd, len, &mut buffer.borrow_mut(), |bytes| {
                    all = all.wrapping_add(sum(bytes));
                })?;
                Ok(all)
            }),
        ),
        peer(
            "std, read_exact_at",
            reads(&theirs, expected, |fd| {
                let len = peers::proven_len(&fd)?;
                let file = File::from(fd);
                let mut buffer = buffer.borrow_mut();
                let (mut at, mut all) = (0, 0_u64);
                while at < len {
                    let bytes = &mut buffer[..PIECE.min(len - at)];
                    file.read_exact_at(bytes, at as u64)?;
                    all = all.wrapping_add(sum(bytes));
                    at += bytes.len();
                }
                Ok(all)
            }),
        ),
    ];
    measure(size, Some(1.0), ways, effort)
}

fn map(size: usize, effort: Effort) -> Result<Row, Failure> {
    let sealed = ours::copy(&content::bytes(size))?;
    let theirs = copy_rustix(&content::bytes(size))?;
    let ways = vec![
        ours("map", |times| together(times, || Ok(sealed.map()?))),
        peer("memmap2", |times| {
            together(times, || peers::map(&theirs, size))
        }),
    ];
    let goal = (size < HUGE).then_some(1.0);
    let mut row = measure(size, goal, ways, effort)?;
    row.note = format!("{}, {}", calls(true, size)?, calls(false, size)?);
    Ok(row)
}

/// How many calls of the kernel a map makes. QEMU prints each.
fn calls(ours: bool, size: usize) -> Result<usize, Failure> {
    let qemu = format!("qemu-{}-static", env::consts::ARCH);
    let log = Command::new(&qemu)
        .arg("-strace")
        .arg(env::current_exe()?)
        .args(["--map-once", &ours.to_string(), &size.to_string()])
        .output()
        .map_err(|error| format!("{qemu}, of Debian's qemu-user-static: {error}"))?;
    let text = String::from_utf8_lossy(&log.stderr);
    let between = text.split("getppid(").nth(1);
    if !log.status.success() || text.matches("getppid(").count() != 2 {
        return Err(format!("{qemu} runs a map: {text}").into());
    }
    // A line for each call, of which the first is the rest of getppid's, and the last its beginning.
    Ok(between.map_or(0, |calls| calls.lines().count() - 2))
}

/// Maps and unmaps between two calls that are easy to find.
pub(crate) fn map_once(ours: bool, size: usize) -> Result<(), Failure> {
    let sealed = ours::copy(&content::bytes(size))?;
    let theirs = copy_rustix(&content::bytes(size))?;
    let mark = || black_box(rustix::process::getppid());
    mark();
    if ours {
        drop(sealed.map()?);
    } else {
        drop(peers::map(&theirs, size)?);
    }
    mark();
    Ok(())
}

fn hand_over(size: usize, effort: Effort) -> Result<Row, Failure> {
    let content = &content::bytes(size)[..];
    let expected = sum(content);
    let ours_there = Second::start(Role::ReceiveOurs, size, "")?;
    let peers_there = Second::start(Role::ReceivePeers, size, "")?;
    let (server, name) = IpcOneShotServer::<IpcEnds>::new()?;
    let _ipc_there = Second::start(Role::IpcChannel, size, &name)?;
    let (_, (memory, replies)) = server.accept()?;
    let ways = vec![
        ours("copy_from_slice, send", |times| {
            together(times, || {
                ours::copy(content)?.send(&ours_there.socket)?;
                same(ours_there.reply()?, expected)
            })
        }),
        peer("rustix, memmap2", |times| {
            together(times, || {
                peers::send(&peers_there.socket, copy_rustix(content)?.as_fd())?;
                same(peers_there.reply()?, expected)
            })
        }),
        peer("ipc-channel", |times| {
            together(times, || {
                memory.send(IpcSharedMemory::from_bytes(content))?;
                same(replies.recv()?, expected)
            })
        }),
    ];
    measure(size, Some(1.0), ways, effort)
}

/// The memory of a ring, mapped here and in the second process.
fn ring_memory(role: Role, size: usize) -> Result<(ours::SharedMapMut, OwnedFd, Second), Failure> {
    let file = ours::allocated(MemFdOptions::new(), memory_len(size))?;
    let map = ours::map_shared(&file)?;
    let second = Second::start(role, size, "")?;
    second.give(&[file.as_fd()])?;
    Ok((map, file.into(), second))
}

fn messages(size: usize, effort: Effort) -> Result<Row, Failure> {
    let content = &content::bytes(size)[..];
    let expected = sum(content);
    let (map, _file, _there) = ring_memory(Role::MessagesOurs, size)?;
    let mut ring = Ring::new(ours::Shared::new(&map)?, size, Waiting::Asleep);

    let shmem_ipc = Second::start(Role::MessagesShmemIpc, size, "")?;
    let mut sender = shmem_ipc::sharedring::Sender::new(words(size))?;
    let mut receiver = shmem_ipc::sharedring::Receiver::new(REPLIES)?;
    shmem_ipc.give(&[
        sender.memfd().as_file().as_fd(),
        sender.empty_signal().as_fd(),
        sender.full_signal().as_fd(),
        receiver.memfd().as_file().as_fd(),
        receiver.empty_signal().as_fd(),
        receiver.full_signal().as_fd(),
    ])?;
    let content_words: Vec<u64> = content
        .chunks_exact(8)
        .map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()))
        .collect();
    let ways = vec![
        ours("shared map, wait, wake", |times| {
            together(times, || {
                ring.push(content)?;
                ring.drain()?;
                let mut sum = [0; 8];
                ring.memory.copy_out(&mut sum, REPLY)?;
                same(u64::from_ne_bytes(sum), expected)
            })
        }),
        peer("shmem-ipc", move |times| {
            together(times, || {
                peers::send_words(&mut sender, &content_words)?;
                same(peers::receive_words(&mut receiver, 1)?, expected)
            })
        }),
    ];
    measure(size, Some(1.0), ways, effort)
}

fn ring(size: usize, effort: Effort) -> Result<Row, Failure> {
    let content = &content::bytes(size)[..];
    let (map, _file, ours_there) = ring_memory(Role::RingOurs, size)?;
    let (_map, file, peers_there) = ring_memory(Role::RingPeers, size)?;
    let mut our_ring = Ring::new(ours::Shared::new(&map)?, size, Waiting::Looking);
    let mut their_ring = Ring::new(peers::Raw::map(&file)?, size, Waiting::Looking);
    let ways = vec![
        ours("shared map", move |times| {
            produce_records(&mut our_ring, &ours_there, content, times)
        }),
        peer("memmap2, raw pointers", move |times| {
            produce_records(&mut their_ring, &peers_there, content, times)
        }),
    ];
    let goals = [(0, 0.5), (KIB, 0.9), (64 * KIB, 0.95)];
    measure(size, goal(&goals, size), ways, effort)
}

fn produce_records(
    ring: &mut Ring<impl Memory>,
    there: &Second,
    content: &[u8],
    times: u32,
) -> Result<std::time::Duration, Failure> {
    there.tell(u64::from(times))?;
    // It is awake, and looks into the ring.
    there.reply()?;
    let time = together(times, || ring.push(content))?;
    let start = std::time::Instant::now();
    ring.drain()?;
    let time = time + start.elapsed();
    same(there.reply()?, content.len() as u64 * u64::from(times))?;
    Ok(time)
}

fn lifecycle(size: usize, effort: Effort) -> Result<Row, Failure> {
    let ways: Vec<Way<'_>> = vec![
        ours("create, seal", |times| {
            together(times, || {
                Ok(MemFdOptions::new().create(c"ours")?.seal()?.is_empty())
            })
        }),
        ours("copy_from_slice", |times| {
            together(times, || Ok(SealedMemFd::copy_from_slice(c"ours", b"")?))
        }),
        peer("rustix", |times| {
            together(times, || {
                let file = peers::create()?;
                peers::seal(&file)?;
                Ok(file)
            })
        }),
    ];
    measure(size, Some(1.0), ways, effort)
}

fn fill_pool(size: usize, effort: Effort) -> Result<Row, Failure> {
    let piece = &content::bytes(PIECE)[..];
    let ways = vec![
        ours("create_with", |times| {
            apart(times, none, |()| {
                ours::fill_in_place(ours::on_huge_pages(), size, piece)
            })
        }),
        peer("rustix, memmap2", |times| {
            apart(times, none, |()| fill_rustix_pool(size, piece))
        }),
    ];
    measure(size, Some(1.0), ways, effort)
}

fn fill_rustix_pool(size: usize, piece: &[u8]) -> Result<OwnedFd, Failure> {
    let file = peers::create_on_huge_pages()?;
    rustix::fs::ftruncate(&file, size as u64)?;
    let mut map = peers::map_mut(file.as_fd(), size)?;
    produce(piece, &mut map);
    drop(map);
    peers::seal(&file)?;
    Ok(file)
}

fn read_pool(size: usize, effort: Effort) -> Result<Row, Failure> {
    let piece = content::bytes(PIECE);
    let mine = ours::fill_in_place(ours::on_huge_pages(), size, &piece)?;
    let theirs = fill_rustix_pool(size, &piece)?;
    let expected = sum(&mine.map()?);
    let ways = vec![
        ours("map", reads(&mine, expected, ours::read_mapped)),
        peer("memmap2", reads(&theirs, expected, |fd| memmap2(&fd))),
    ];
    measure(size, Some(1.0), ways, effort)
}
