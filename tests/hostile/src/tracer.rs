//! Stops a worker at each system call of the library, and lets a meddler do what it likes there.
#![allow(unsafe_code)]

use crate::{
    orders::{Orders, Verdict},
    trial::{Marker, Operation},
    worker,
};
use nix::{
    errno::Errno,
    libc::{self, user_regs_struct},
    sys::{
        ptrace::{self, Options},
        signal::{Signal, raise},
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork},
};
use std::{ffi::c_void, fs, io, ops::Range, ptr, sync::OnceLock};

/// How many calls a trial may make. None needs a tenth of it.
const MOST_CALLS: usize = 5000;
/// For how many seconds a trial may run.
const MOST_SECONDS: u32 = 60;

/// What happens at the system calls of a trial. The worker is stopped meanwhile.
pub trait Meddler {
    /// Before a call.
    fn entry(&mut self, call: &mut Call<'_>) -> nix::Result<()>;

    /// After a call.
    fn exit(&mut self, _call: &mut Call<'_>) -> nix::Result<()> {
        Ok(())
    }

    /// After the last call of a region of the library's.
    fn end(&mut self, _worker: Pid) -> nix::Result<()> {
        Ok(())
    }

    /// When a trial has found something sealed, and asks whether it stays so.
    fn attack(&mut self, _worker: Pid) -> nix::Result<()> {
        Ok(())
    }
}

/// One system call of the library, at which the worker is stopped.
pub struct Call<'a> {
    pub worker: Pid,
    pub orders: &'a Orders,
    /// How many calls of the library the trial has made before.
    pub nth: usize,
    registers: user_regs_struct,
    changed: bool,
}

impl Call<'_> {
    /// The number of the call, also after it.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.registers.orig_rax.cast_signed()
    }

    #[must_use]
    pub fn arguments(&self) -> [u64; 6] {
        let r = &self.registers;
        [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]
    }

    pub fn set_argument(&mut self, which: usize, value: u64) {
        let r = &mut self.registers;
        let all = [
            &mut r.rdi, &mut r.rsi, &mut r.rdx, &mut r.r10, &mut r.r8, &mut r.r9,
        ];
        if let Some(argument) = all.into_iter().nth(which) {
            *argument = value;
            self.changed = true;
        }
    }

    /// The library has its own arguments again after the call: a compiler may go on using the
    /// registers in which it gave them, since the kernel leaves them as they are.
    fn restore_arguments(&mut self, given: &user_regs_struct) {
        let before = self.arguments();
        let r = &mut self.registers;
        (r.rdi, r.rsi, r.rdx) = (given.rdi, given.rsi, given.rdx);
        (r.r10, r.r8, r.r9) = (given.r10, given.r8, given.r9);
        self.changed |= self.arguments() != before;
    }

    /// At the entry: the kernel does nothing, and returns this. There is no exit for the meddler
    /// then.
    pub fn skip(&mut self, result: i64) {
        self.registers.orig_rax = u64::MAX;
        self.registers.rax = result.cast_unsigned();
        self.changed = true;
    }

    /// At the exit: what the kernel returned.
    #[must_use]
    pub fn result(&self) -> i64 {
        self.registers.rax.cast_signed()
    }

    pub fn set_result(&mut self, result: i64) {
        self.registers.rax = result.cast_unsigned();
        self.changed = true;
    }

    /// Reads a word of the worker's memory.
    pub fn word(&self, address: u64) -> nix::Result<u64> {
        ptrace::read(self.worker, pointer(address)?).map(i64::cast_unsigned)
    }

    /// Writes a word of the worker's memory.
    pub fn set_word(&self, address: u64, value: u64) -> nix::Result<()> {
        ptrace::write(self.worker, pointer(address)?, value.cast_signed())
    }

    fn store(self) -> nix::Result<()> {
        if self.changed {
            ptrace::setregs(self.worker, self.registers)?;
        }
        Ok(())
    }
}

/// An address in the worker's memory.
fn pointer(address: u64) -> nix::Result<*mut c_void> {
    let address = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    Ok(ptr::without_provenance_mut(address))
}

/// Traces trials of one operation.
pub struct Tracer {
    operation: Operation,
    orders: &'static Orders,
    worker: Option<Worker>,
    seconds: u32,
}

/// A process that is stopped where it is ready for a trial.
struct Worker(Pid);

impl Tracer {
    /// Traces trials of this operation, with orders that nobody else uses meanwhile.
    #[must_use]
    pub fn new(operation: Operation, orders: &'static Orders) -> Self {
        Self {
            operation,
            orders,
            worker: None,
            seconds: MOST_SECONDS,
        }
    }

    /// Lets trials run for so many seconds only.
    #[must_use]
    pub fn seconds(mut self, seconds: u32) -> Self {
        self.seconds = seconds;
        self
    }

    /// Runs a trial. The worker is replaced if it has died.
    pub fn trial(&mut self, meddler: &mut dyn Meddler) -> nix::Result<Verdict> {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.operation, self.orders)?,
        };
        self.orders.clear(self.seconds);
        match worker.trial(self.orders, meddler)? {
            End::Ready => {
                let verdict = self.orders.verdict();
                // What may have stayed in a worker does not meet the next trial.
                if self.orders.kept() == 0 && verdict.is_ok() {
                    self.worker = Some(worker);
                }
                Ok(verdict)
            }
            End::Exited(0) if self.orders.is_alone() => Ok(self.orders.verdict()),
            End::Exited(status) => Ok(Err(format!("exited with {status}"))),
            End::Killed(Signal::SIGALRM) => {
                Ok(Err(format!("hangs: runs for more than {} s", self.seconds)))
            }
            End::Killed(signal) => Ok(Err(format!("killed by {signal}"))),
            // A clock that lies can make the library wait for as long as it likes.
            End::Endless if self.orders.has_lie() => Ok(Ok(())),
            End::Endless => Ok(Err(format!("hangs: makes more than {MOST_CALLS} calls"))),
            End::Executed => Ok(Err("became another program".into())),
        }
    }
}

/// How a trial ended.
enum End {
    Ready,
    Exited(i32),
    Killed(Signal),
    Endless,
    Executed,
}

impl Worker {
    fn start(operation: Operation, orders: &'static Orders) -> nix::Result<Self> {
        // SAFETY: the child takes no lock that another thread may hold: it prints nothing and starts
        // no command, and the C library's own locks are free in it.
        match unsafe { fork() }? {
            ForkResult::Child => {
                close_inherited();
                if ptrace::traceme()
                    .and_then(|()| raise(Signal::SIGSTOP))
                    .is_ok()
                {
                    worker::run(operation, orders);
                }
                // The parent sees that it did not stop.
                std::process::exit(1);
            }
            ForkResult::Parent { child } => {
                let worker = Self(child);
                match waitpid(child, None)? {
                    WaitStatus::Stopped(_, Signal::SIGSTOP) => {}
                    // It was not allowed to be traced.
                    _ => return Err(Errno::EPERM),
                }
                let options = Options::PTRACE_O_EXITKILL
                    | Options::PTRACE_O_TRACESYSGOOD
                    | Options::PTRACE_O_TRACEEXEC;
                ptrace::setoptions(child, options)?;
                ptrace::cont(child, None)?;
                match waitpid(child, None)? {
                    WaitStatus::Stopped(_, Signal::SIGTRAP) => Ok(worker),
                    _ => Err(Errno::EPROTO),
                }
            }
        }
    }

    /// Runs a trial.
    fn trial(&self, orders: &Orders, meddler: &mut dyn Meddler) -> nix::Result<End> {
        let worker = self.0;
        let (mut in_library, mut nth, mut signal) = (false, 0, None);
        // The call that the worker is in: whether it is the library's, and the arguments that the
        // library gave.
        let mut inside: Option<(bool, user_regs_struct)> = None;
        loop {
            if in_library {
                ptrace::syscall(worker, signal.take())?;
            } else {
                ptrace::cont(worker, signal.take())?;
            }
            match waitpid(worker, None)? {
                WaitStatus::PtraceSyscall(_) => {
                    let registers = ptrace::getregs(worker)?;
                    let is_entry = inside.is_none();
                    let (is_ours, given) =
                        *inside.get_or_insert_with(|| (is_of_library(registers.rip), registers));
                    if is_ours {
                        let mut call = Call {
                            worker,
                            orders,
                            nth,
                            registers,
                            changed: false,
                        };
                        if is_entry {
                            meddler.entry(&mut call)?;
                        } else {
                            call.restore_arguments(&given);
                            // Without a number, it has not been made.
                            if call.number() >= 0 {
                                meddler.exit(&mut call)?;
                            }
                            nth += 1;
                        }
                        call.store()?;
                    }
                    if !is_entry {
                        inside = None;
                    }
                    if nth > MOST_CALLS {
                        return Ok(End::Endless);
                    }
                }
                WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                    match Marker::of(ptrace::getregs(worker)?.rax) {
                        Some(Marker::Begin) => in_library = true,
                        Some(Marker::End) => {
                            meddler.end(worker)?;
                            in_library = false;
                        }
                        Some(Marker::Attack) => meddler.attack(worker)?,
                        Some(Marker::Ready) => return Ok(End::Ready),
                        None => signal = Some(Signal::SIGTRAP),
                    }
                }
                WaitStatus::Stopped(_, other) => signal = Some(other),
                WaitStatus::PtraceEvent(..) => return Ok(End::Executed),
                WaitStatus::Exited(_, status) => return Ok(End::Exited(status)),
                WaitStatus::Signaled(_, signal, _) => return Ok(End::Killed(signal)),
                WaitStatus::Continued(_) | WaitStatus::StillAlive => {}
            }
        }
    }
}

/// Closes what a thread had open that traces another worker: its files, of which this worker would be
/// thought to have them.
fn close_inherited() {
    // SAFETY: nobody in this process uses a descriptor but the standard streams: its other threads
    // are not here.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing to wait for.
        let _ = nix::sys::signal::kill(self.0, Signal::SIGKILL);
        let _ = waitpid(self.0, None);
    }
}

/// Whether the instruction is the library's, and not one of the shared libc, whose calls are
/// std's or the allocator's. The library enters the kernel by itself.
fn is_of_library(instruction: u64) -> bool {
    static PROGRAM: OnceLock<io::Result<Range<u64>>> = OnceLock::new();

    let program = PROGRAM.get_or_init(|| {
        // ADDRESSES ACCESS OFFSET DEVICE INODE PATH
        let program = std::env::current_exe()?;
        let maps = fs::read_to_string("/proc/self/maps")?;
        let addresses = maps.lines().find_map(|line| {
            let is_code = line.contains(" r-xp ") && line.ends_with(program.to_str()?);
            let (start, end) = line.split_once(' ')?.0.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            (is_code).then_some(number(start)?..number(end)?)
        });
        addresses.ok_or_else(|| io::ErrorKind::NotFound.into())
    });
    program
        .as_ref()
        .is_ok_and(|program| program.contains(&instruction))
}
