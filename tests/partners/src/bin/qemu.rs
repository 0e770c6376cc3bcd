//! The disk of a virtual machine, for which QEMU hands out the machine's memory: a vhost-user
//! back-end. `qemu RANGES OPTION…`: as many ranges the memory has at least, and QEMU's options.
//!
//! The ranges arrive as a table, with a descriptor for each. The disk maps them, finds the
//! requests of the machine's firmware there, and writes blocks there. From the first block, the
//! machine starts [`PROGRAM`].

use owned_memfd::{
    Errno, OwnedMemFd, Seals, SharedMap, SharedMapMut,
    socket::{ReceiveError, ReceivedFds, receive},
};
use partners::{Outcome, holds};
use std::{
    env,
    error::Error,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    process::{Child, Command, Stdio},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// For what takes a virtual machine less than a second, where much else runs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the program of the machine stores at `FROM_MACHINE`.
const GREETING: u32 = 0x1357_9bdf;
const FROM_MACHINE: u64 = 0x9000;
/// What it waits for at `TO_MACHINE`.
const REPLY: u32 = 0x2468_ace0;
const TO_MACHINE: u64 = 0x9010;
/// What it says then, up to a zero.
const TEXT: &[u8] = b"these bytes came through a memory file\0";
const TEXT_AT: u64 = 0x9020;

/// In the machine's first mode, of 16 bits.
#[rustfmt::skip]
const PROGRAM: &[u8] = &[
    0xfa, // cli
    0x31, 0xc0, // xor ax, ax
    0x8e, 0xd8, // mov ds, ax
    0x66, 0xc7, 0x06, 0x00, 0x90, 0xdf, 0x9b, 0x57, 0x13, // mov dword [FROM_MACHINE], GREETING
    0x66, 0x81, 0x3e, 0x10, 0x90, 0xe0, 0xac, 0x68, 0x24, // cmp dword [TO_MACHINE], REPLY
    0x75, 0xf5, // jne, to the comparison
    0xbe, 0x20, 0x90, // mov si, TEXT_AT
    0xac, // lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x04, // jz, to the end
    0xe6, 0xe9, // out 0xe9, al
    0xeb, 0xf7, // jmp, to the load
    0xf4, // hlt
    0xeb, 0xfd, // jmp, to the halt
];
const BLOCK: usize = 512;
const BLOCKS: u64 = 2048;

// Of the protocol: docs/interop/vhost-user.rst.
const VERSION: u32 = 1;
const IS_REPLY: u32 = 1 << 2;
const GET_FEATURES: u32 = 1;
const SET_MEM_TABLE: u32 = 5;
const SET_VRING_NUM: u32 = 8;
const SET_VRING_ADDR: u32 = 9;
const SET_VRING_BASE: u32 = 10;
const GET_VRING_BASE: u32 = 11;
const SET_VRING_KICK: u32 = 12;
const SET_VRING_CALL: u32 = 13;
const GET_PROTOCOL_FEATURES: u32 = 15;
const GET_CONFIG: u32 = 24;
/// `VIRTIO_F_VERSION_1` and `VHOST_USER_F_PROTOCOL_FEATURES`.
const FEATURES: u64 = 1 << 32 | 1 << 30;
/// `VHOST_USER_PROTOCOL_F_CONFIG`.
const PROTOCOL_FEATURES: u64 = 1 << 9;

/// A range of the machine's memory.
struct Region {
    /// Where it begins for the machine, for QEMU, and in the file.
    machine: u64,
    qemu: u64,
    offset: u64,
    map: SharedMapMut,
    /// The same bytes, for reading only.
    view: SharedMap,
}

/// The machine's memory.
#[derive(Default)]
struct Memory(Vec<Region>);

impl Memory {
    /// Maps what a table says.
    fn new(table: &[u8], descriptors: ReceivedFds<8>) -> Result<Self> {
        let rows = table.get(8..).ok_or("a table without a head")?;
        let rows = rows.chunks_exact(32);
        let count = descriptors.len();
        holds(
            u32_at(table, 0)? as usize == count && rows.len() == count,
            format!("{count} descriptors with a table of {} ranges", rows.len()),
        )?;
        let mut regions = Vec::new();
        for (row, descriptor) in rows.zip(descriptors) {
            let (machine, len) = (u64_at(row, 0)?, u64_at(row, 8)?);
            let (qemu, offset) = (u64_at(row, 16)?, u64_at(row, 24)?);
            let file = OwnedMemFd::try_from(descriptor)?;
            let end = offset.checked_add(len).ok_or("a range without an end")?;
            let range = usize::try_from(offset)?..usize::try_from(end)?;
            let map = file.map_shared_mut(range.clone())?;
            let view = file.map_shared(range)?;
            let seals = file.seals()? & !Seals::EXEC;
            holds(
                seals == Seals::SHRINK | Seals::GROW | Seals::SEAL,
                format!("the memory's seals are {seals:?}"),
            )?;
            regions.push(Region {
                machine,
                qemu,
                offset,
                map,
                view,
            });
        }
        Ok(Self(regions))
    }

    /// The range that has the address, and where in it.
    fn find(&self, start: impl Fn(&Region) -> u64, address: u64) -> Result<(&Region, usize)> {
        for region in &self.0 {
            if let Some(at) = address.checked_sub(start(region)) {
                if at < region.map.len() as u64 {
                    return Ok((region, usize::try_from(at)?));
                }
            }
        }
        Err(format!("no range has the address {address:#x}").into())
    }

    fn at(&self, address: u64) -> Result<(&SharedMapMut, usize)> {
        let (region, at) = self.find(|region| region.machine, address)?;
        Ok((&region.map, at))
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> Outcome {
        let (map, at) = self.at(address)?;
        Ok(map.read_exact_at(buffer, at)?)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Outcome {
        let (map, at) = self.at(address)?;
        Ok(map.write_all_at(bytes, at)?)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let bytes = bytes.get(at..at + 4).ok_or("a message is too short")?;
    Ok(u32::from_le_bytes(bytes.try_into()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    let bytes = bytes.get(at..at + 8).ok_or("a message is too short")?;
    Ok(u64::from_le_bytes(bytes.try_into()?))
}

/// The disk's only queue of requests. The addresses are QEMU's.
#[derive(Default)]
struct Queue {
    len: u16,
    descriptors: u64,
    available: u64,
    used: u64,
    /// How many requests have been taken.
    taken: u16,
    /// The machine is told through it that requests are done.
    call: Option<File>,
    is_started: bool,
}

/// The disk.
struct Disk {
    qemu: UnixStream,
    memory: Memory,
    queue: Queue,
    blocks_read: u32,
}

impl Disk {
    /// Does what QEMU says, if it says anything, and else what the machine asks for.
    fn step(&mut self) -> Outcome {
        let (mut header, mut descriptors) = ([0; 12], ReceivedFds::<8>::new());
        let len = match receive(&self.qemu, &mut header, &mut descriptors) {
            Err(ReceiveError::Kernel(Errno::EAGAIN)) => return self.serve(),
            received => received?,
        };
        // The descriptors came with the first byte.
        self.qemu.read_exact(&mut header[len..])?;
        let request = u32_at(&header, 0)?;
        let mut payload = vec![0; u32_at(&header, 8)?.try_into()?];
        holds(payload.len() <= 4096, "a message is too long")?;
        self.qemu.read_exact(&mut payload)?;
        let reply = self.obey(request, payload, descriptors);
        let reply = reply.map_err(|error| format!("message {request}: {error}"))?;
        if let Some(reply) = reply {
            let header = [request, VERSION | IS_REPLY, reply.len().try_into()?];
            let header = header.map(u32::to_le_bytes).concat();
            self.qemu.write_all(&[header, reply].concat())?;
        }
        Ok(())
    }

    /// Does what a message says, and returns the reply.
    fn obey(
        &mut self,
        request: u32,
        mut payload: Vec<u8>,
        mut descriptors: ReceivedFds<8>,
    ) -> Result<Option<Vec<u8>>> {
        let queue = &mut self.queue;
        match request {
            GET_FEATURES => return Ok(Some(FEATURES.to_le_bytes().into())),
            GET_PROTOCOL_FEATURES => return Ok(Some(PROTOCOL_FEATURES.to_le_bytes().into())),
            GET_CONFIG => {
                // Offset, length and flags, and then the bytes: the number of blocks, and zeros.
                holds(u32_at(&payload, 0)? == 0, "a part of the configuration")?;
                let config = payload.get_mut(12..20).ok_or("too short")?;
                config.copy_from_slice(&BLOCKS.to_le_bytes());
                return Ok(Some(payload));
            }
            SET_MEM_TABLE => self.memory = Memory::new(&payload, descriptors)?,
            SET_VRING_NUM => queue.len = u32_at(&payload, 4)?.try_into()?,
            SET_VRING_ADDR => {
                queue.descriptors = u64_at(&payload, 8)?;
                queue.used = u64_at(&payload, 16)?;
                queue.available = u64_at(&payload, 24)?;
            }
            SET_VRING_BASE => queue.taken = u32_at(&payload, 4)?.try_into()?,
            GET_VRING_BASE => {
                queue.is_started = false;
                let base = [0, u32::from(queue.taken)].map(u32::to_le_bytes);
                return Ok(Some(base.concat()));
            }
            SET_VRING_KICK => queue.is_started = true,
            SET_VRING_CALL => queue.call = descriptors.next().map(File::from),
            _ => {}
        }
        Ok(None)
    }

    /// Serves the requests that are in the queue.
    fn serve(&mut self) -> Outcome {
        while self.queue.is_started {
            let queue = &self.queue;
            let find = |address| self.memory.find(|region| region.qemu, address);
            let (region, available) = find(queue.available)?;
            let count = region.map.atomic::<u16>(available + 2)?;
            if count.load(Ordering::Acquire) == queue.taken {
                return Ok(());
            }
            let slot = usize::from(queue.taken % queue.len);
            let head = region.map.atomic::<u16>(available + 4 + 2 * slot)?;
            let head = head.load(Ordering::Relaxed);
            let (written, blocks) = self.transfer(head)?;

            let (region, used) = find(queue.used)?;
            let entry = [u32::from(head), written].map(u32::to_le_bytes).concat();
            region.map.write_all_at(&entry, used + 4 + 8 * slot)?;
            let taken = queue.taken.wrapping_add(1);
            let count = region.map.atomic_mut::<u16>(used + 2)?;
            count.store(taken, Ordering::Release);
            if let Some(mut call) = queue.call.as_ref() {
                call.write_all(&1_u64.to_ne_bytes())?;
            }
            self.queue.taken = taken;
            self.blocks_read += blocks;
        }
        Ok(())
    }

    /// Does what the request asks for, and returns how many bytes were written, and blocks read.
    fn transfer(&self, head: u16) -> Result<(u32, u32)> {
        let (region, table) = self.memory.find(|r| r.qemu, self.queue.descriptors)?;
        let (mut parts, mut next) = (Vec::new(), Some(head));
        while let Some(index) = next {
            let mut part = [0; 16];
            let at = table + part.len() * usize::from(index % self.queue.len);
            region.map.read_exact_at(&mut part, at)?;
            let flags = u32_at(&part, 12)?;
            parts.push((u64_at(&part, 0)?, u32_at(&part, 8)?));
            // `VRING_DESC_F_NEXT`
            next = (flags & 1 != 0).then_some(u16::from_le_bytes([part[14], part[15]]));
            holds(parts.len() <= 64, "a request has no end")?;
        }
        let [(header, _), data @ .., (status, _)] = &parts[..] else {
            return Err("a request has no status".into());
        };
        let mut request = [0; 16];
        self.memory.read(*header, &mut request)?;
        // `VIRTIO_BLK_T_IN`, and the first block. Anything else is not supported.
        if u32_at(&request, 0)? != 0 {
            self.memory.write(*status, &[2])?;
            return Ok((1, 0));
        }
        let mut block = u64_at(&request, 8)?;
        let mut written = 0;
        for (address, len) in data {
            let mut content = Vec::new();
            while content.len() < *len as usize {
                content.extend(self::block(block));
                block += 1;
            }
            self.memory.write(*address, &content)?;
            written += len;
        }
        self.memory.write(*status, &[0])?;
        Ok((written + 1, written / 512))
    }

    /// Is a disk until the machine is as it must be.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> Result<bool>) -> Outcome {
        let start = Instant::now();
        while !is_so(self)? {
            holds(
                start.elapsed() < PATIENCE,
                format!("the machine has not {what}"),
            )?;
            self.step()?;
        }
        Ok(())
    }

    fn load(&self, address: u64) -> Result<u32> {
        let (map, at) = self.memory.at(address)?;
        Ok(map.atomic::<u32>(at)?.load(Ordering::Acquire))
    }
}

/// A block of the disk. The first one is the program.
fn block(number: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    if number == 0 {
        block[..PROGRAM.len()].copy_from_slice(PROGRAM);
        block[BLOCK - 2..].copy_from_slice(&[0x55, 0xaa]);
    }
    block
}

/// QEMU, which ends with this value.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// QEMU's own view of the machine.
struct Monitor(BufReader<UnixStream>);

impl Monitor {
    fn connect() -> Result<Self> {
        let mut monitor = Self(BufReader::new(UnixStream::connect("monitor")?));
        monitor.0.get_ref().set_read_timeout(Some(PATIENCE))?;
        monitor.ask(r#"{"execute": "qmp_capabilities"}"#)?;
        Ok(monitor)
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        writeln!(self.0.get_mut(), "{command}")?;
        loop {
            let mut line = String::new();
            holds(self.0.read_line(&mut line)? > 0, "QEMU has ended")?;
            if line.starts_with(r#"{"return""#) {
                return Ok(line);
            }
            holds(!line.starts_with(r#"{"error""#), &*line)?;
        }
    }

    /// The bytes that the machine has at its address.
    fn read(&mut self, address: u64, len: usize) -> Result<Vec<u8>> {
        let said = self.ask(&format!(
            r#"{{"execute": "human-monitor-command",
                "arguments": {{"command-line": "xp /{len}xb {address:#x}"}}}}"#
        ))?;
        let bytes = said.split(" 0x").skip(1);
        let bytes = bytes.map(|byte| u8::from_str_radix(byte.get(..2).unwrap_or_default(), 16));
        let bytes = bytes.collect::<std::result::Result<Vec<u8>, _>>()?;
        holds(bytes.len() == len, format!("QEMU says {said}"))?;
        Ok(bytes)
    }
}

fn main() -> Outcome {
    let mut options = env::args().skip(1);
    let ranges: usize = options.next().ok_or("how many ranges?")?.parse()?;
    let listener = UnixListener::bind("socket")?;
    listener.set_nonblocking(true)?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-accel", "tcg", "-debugcon", "file:said"])
        .args(["-qmp", "unix:monitor,server=on,wait=off"])
        .args(["-chardev", "socket,id=disk,path=socket"])
        .args(["-device", "vhost-user-blk-pci,chardev=disk,num-queues=1"])
        .args(options)
        .stdin(Stdio::null());
    let qemu = qemu.spawn().map_err(|error| format!("{qemu:?}: {error}"))?;
    let mut qemu = Qemu(qemu);
    let start = Instant::now();
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let has_ended = qemu.0.try_wait()?.is_some();
        holds(
            !has_ended && start.elapsed() < PATIENCE,
            "QEMU has not connected",
        )?;
        thread::sleep(Duration::from_millis(5));
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_millis(2)))?;
    let mut disk = Disk {
        qemu: stream,
        memory: Memory::default(),
        queue: Queue::default(),
        blocks_read: 0,
    };

    // The firmware starts the disk's program, which greets; it says what is written for it.
    disk.until("read the disk", |disk| Ok(disk.blocks_read > 0))?;
    disk.until("greeted", |disk| Ok(disk.load(FROM_MACHINE)? == GREETING))?;
    disk.memory.write(TEXT_AT, TEXT)?;
    let (map, at) = disk.memory.at(TO_MACHINE)?;
    map.atomic_mut(at)?.store(REPLY, Ordering::Release);
    let text = TEXT.strip_suffix(&[0]).unwrap_or_default();
    disk.until("said the text", |_| Ok(fs::read("said")? == text))?;

    // At the machine's addresses, QEMU finds what the maps have, and what is written through them.
    // The machine does nothing more.
    let regions = &disk.memory.0;
    let mut monitor = Monitor::connect()?;
    for (index, region) in regions.iter().enumerate() {
        let last = region.map.len() - 16;
        for (at, name) in [(0, b'a'), (last / 2, b'b'), (last, b'c')] {
            let address = region.machine + at as u64;
            let wrong = format!("QEMU finds other bytes at {address:#x}");
            let mut found = [0; 16];
            region.view.read_exact_at(&mut found, at)?;
            holds(monitor.read(address, 16)? == found, &*wrong)?;
            let mark = format!("range {index}, place {}.", char::from(name));
            let mark = mark.as_bytes().first_chunk::<16>().ok_or("too short")?;
            region.map.write_all_at(mark, at)?;
            holds(monitor.read(address, 16)? == mark, wrong)?;
        }
    }
    // Each range must be one of the file as the table says: not the file from its start.
    let has_offset = regions.iter().any(|region| region.offset != 0);
    holds(
        regions.len() >= ranges && has_offset == (ranges > 1),
        format!("the memory has {} ranges", regions.len()),
    )
}
