//! The state of the kernel, and how a call enters it.

use crate::{file::File, mapping::Mapping, socket::Socket};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    ffi::CString,
    ptr,
    rc::{Rc, Weak},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// What a call returns: a number, or an errno.
pub type Outcome = Result<usize, i32>;

/// All there is, behind one lock.
pub struct Kernel {
    descriptors: BTreeMap<u32, Descriptor>,
    pub mappings: Vec<Mapping>,
    /// The sockets with an abstract name or a path.
    pub names: BTreeMap<Vec<u8>, Weak<Socket>>,
    /// How many threads wait for the number at an address, and how many of them have been woken.
    pub waiters: BTreeMap<usize, (usize, usize)>,
    pub settings: Settings,
    /// The arguments and the environment that the last program was to be executed with.
    pub executed: Option<[Vec<CString>; 2]>,
    lies: Vec<(&'static str, Lie)>,
    files: u64,
}

// SAFETY: all of it is behind one lock. No `Rc` of it leaves that, and none of its pointers is used
// without.
unsafe impl Send for Kernel {}

/// In what kernels and machines differ.
#[derive(Clone)]
pub struct Settings {
    /// Whether `/proc` is mounted.
    pub proc: bool,
    /// Whether a descriptor that is open for writing shares a sealed file: some kernels refuse.
    pub shares_sealed: bool,
    /// Whether a file can be opened by its descriptor alone.
    pub empty_path: bool,
    /// The file that this program runs from.
    pub program: Option<u32>,
}

impl Settings {
    const NEWEST: Self = Self {
        proc: true,
        shares_sealed: true,
        empty_path: true,
        program: None,
    };
}

/// Changes the structure that a call writes, if it is of the right type.
type Change = dyn Fn(&mut dyn Any);

/// What a call does that Linux does not.
pub enum Lie {
    /// It does nothing, and returns this.
    Instead(usize),
    /// It does what it should, and returns something else.
    Returned(Box<dyn Fn(usize) -> usize>),
    /// It writes something else.
    Written(Box<Change>),
}

/// A number, and what it stands for.
struct Descriptor {
    open: Rc<Open>,
    close_on_exec: bool,
}

/// An open file: what several descriptors may share.
pub struct Open {
    pub object: Object,
    /// `O_RDWR` and the like.
    pub flags: Cell<u32>,
    pub offset: Cell<u64>,
}

/// What can be open.
pub enum Object {
    File(Rc<File>),
    Pipe(RefCell<Vec<u8>>),
    Socket(Rc<Socket>),
    /// `/proc/self`
    Process,
    /// `/dev/loop-control`
    LoopControl,
    /// `/dev/loop0`
    Loop,
}

static KERNEL: Mutex<Kernel> = Mutex::new(Kernel {
    descriptors: BTreeMap::new(),
    mappings: Vec::new(),
    names: BTreeMap::new(),
    waiters: BTreeMap::new(),
    settings: Settings::NEWEST,
    executed: None,
    lies: Vec::new(),
    files: 0,
});

/// Something may have happened that somebody waits for.
static CHANGED: Condvar = Condvar::new();

/// The lock. A test that failed while it held it is reported anyway.
pub fn lock() -> MutexGuard<'static, Kernel> {
    KERNEL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a call.
pub fn enter(call: &'static str, act: impl FnOnce(&mut Kernel) -> Outcome) -> usize {
    let mut kernel = lock();
    match kernel.begin(call) {
        Some(lie) => lie,
        None => {
            let outcome = act(&mut kernel);
            kernel.end(call, outcome)
        }
    }
}

/// Makes a call that returns an address.
pub fn enter_for_address(
    call: &'static str,
    act: impl FnOnce(&mut Kernel) -> Result<*mut u8, i32>,
) -> *mut u8 {
    let mut kernel = lock();
    let returned = match kernel.begin(call) {
        Some(lie) => Err(lie),
        None => act(&mut kernel).map_err(|errno| kernel.end(call, Err(errno))),
    };
    returned.unwrap_or_else(ptr::without_provenance_mut)
}

/// Makes a call that waits until `act` has an outcome, or for so long. Then it is `ETIMEDOUT`.
pub fn enter_waiting(
    call: &'static str,
    timeout: Option<Duration>,
    mut act: impl FnMut(&mut Kernel) -> Option<Outcome>,
) -> usize {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut kernel = lock();
    if let Some(lie) = kernel.begin(call) {
        return lie;
    }
    let outcome = loop {
        if let Some(outcome) = act(&mut kernel) {
            break outcome;
        }
        let Some(deadline) = deadline else {
            kernel = CHANGED.wait(kernel).unwrap_or_else(PoisonError::into_inner);
            continue;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break Err(libc::ETIMEDOUT);
        }
        let waited = CHANGED.wait_timeout(kernel, left);
        kernel = waited.unwrap_or_else(PoisonError::into_inner).0;
    };
    kernel.end(call, outcome)
}

impl Kernel {
    /// std and rustix close descriptors through libc.
    fn forget_closed(&mut self) {
        self.descriptors.retain(|&number, _| is_open(number));
    }

    /// What the call returns instead of doing anything, if it lies.
    fn begin(&mut self, call: &str) -> Option<usize> {
        if cfg!(feature = "std") {
            self.forget_closed();
        }
        self.lies_of(call).find_map(|lie| match lie {
            Lie::Instead(value) => Some(*value),
            _ => None,
        })
    }

    /// What the call returns.
    fn end(&mut self, call: &str, outcome: Outcome) -> usize {
        CHANGED.notify_all();
        let honest = match outcome {
            Ok(value) => value,
            Err(errno) => (errno as usize).wrapping_neg(),
        };
        self.lies_of(call).fold(honest, |value, lie| match lie {
            Lie::Returned(lie) => lie(value),
            _ => value,
        })
    }

    /// Writes what a call writes.
    ///
    /// # Safety
    /// The library has given this pointer for that.
    pub unsafe fn write<T: 'static>(&self, call: &str, to: *mut T, mut value: T) {
        for lie in self.lies_of(call) {
            if let Lie::Written(lie) = lie {
                lie(&mut value);
            }
        }
        // SAFETY: the caller says so.
        unsafe { to.write(value) };
    }

    fn lies_of(&self, call: &str) -> impl Iterator<Item = &Lie> {
        let lies = self.lies.iter().filter(move |(of, _)| *of == call);
        lies.map(|(_, lie)| lie)
    }

    pub fn lie(&mut self, call: &'static str, lie: Lie) {
        self.lies.push((call, lie));
    }

    /// Forgets all that a test has set. What is still open or mapped comes back, to be counted.
    pub fn reset(&mut self) -> (usize, usize) {
        self.lies.clear();
        self.forget_closed();
        self.settings = Settings::NEWEST;
        self.executed = None;
        self.names.clear();
        let left = (self.descriptors.len(), self.mappings.len());
        for number in std::mem::take(&mut self.descriptors).into_keys() {
            // SAFETY: no pointers, and nobody else uses the number.
            unsafe { libc::close(number as i32) };
        }
        self.mappings.clear();
        left
    }

    /// A number for an inode.
    pub fn new_inode(&mut self) -> u64 {
        self.files += 1;
        self.files
    }
}

/// Descriptors. Miri's own table gives out the numbers: each is a duplicate of standard input, so
/// that std and rustix can close it.
impl Kernel {
    pub fn get(&self, number: u32) -> Result<Rc<Open>, i32> {
        match self.descriptors.get(&number) {
            Some(found) if is_open(number) => Ok(found.open.clone()),
            _ => Err(libc::EBADF),
        }
    }

    /// The lowest free number that is not below `first`.
    pub fn add(&mut self, open: Rc<Open>, close_on_exec: bool, first: u32) -> Outcome {
        // SAFETY: no pointers.
        let number = unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, first) };
        let number = u32::try_from(number).map_err(|_| libc::EMFILE)?;
        let descriptor = Descriptor {
            open,
            close_on_exec,
        };
        self.descriptors.insert(number, descriptor);
        Ok(number as usize)
    }

    /// Opens something.
    pub fn open(&mut self, object: Object, flags: u32, close_on_exec: bool) -> Outcome {
        self.add(Open::new(object, flags), close_on_exec, 0)
    }

    pub fn replace(&mut self, number: u32, open: Rc<Open>) -> Outcome {
        // SAFETY: no pointers. Whoever made the call owns the number.
        if unsafe { libc::dup2(0, number as i32) } < 0 {
            return Err(libc::EBADF);
        }
        let descriptor = Descriptor {
            open,
            close_on_exec: false,
        };
        self.descriptors.insert(number, descriptor);
        Ok(number as usize)
    }

    pub fn close(&mut self, number: u32) -> Outcome {
        self.descriptors.remove(&number).ok_or(libc::EBADF)?;
        // SAFETY: no pointers. Whoever made the call owns the number.
        unsafe { libc::close(number as i32) };
        Ok(0)
    }

    pub fn close_on_exec(&mut self, number: u32) -> Result<&mut bool, i32> {
        let found = self.descriptors.get_mut(&number).ok_or(libc::EBADF)?;
        Ok(&mut found.close_on_exec)
    }

    /// Every open file, some of them more than once.
    pub fn all(&self) -> impl Iterator<Item = &Rc<Open>> {
        self.descriptors.values().map(|descriptor| &descriptor.open)
    }
}

/// Whether Miri's table has this number.
fn is_open(number: u32) -> bool {
    // SAFETY: no pointers.
    unsafe { libc::fcntl(number as i32, libc::F_GETFD) >= 0 }
}

impl Open {
    pub fn new(object: Object, flags: u32) -> Rc<Self> {
        Rc::new(Self {
            object,
            flags: Cell::new(flags),
            offset: Cell::new(0),
        })
    }

    fn access(&self) -> u32 {
        self.flags.get() & libc::O_ACCMODE as u32
    }

    pub fn is_path(&self) -> bool {
        self.flags.get() & libc::O_PATH as u32 != 0
    }

    pub fn can_read(&self) -> bool {
        !self.is_path() && self.access() != libc::O_WRONLY as u32
    }

    pub fn can_write(&self) -> bool {
        !self.is_path() && self.access() != libc::O_RDONLY as u32
    }

    pub fn file(&self) -> Option<&Rc<File>> {
        match &self.object {
            Object::File(file) => Some(file),
            _ => None,
        }
    }

    pub fn socket(&self) -> Result<&Rc<Socket>, i32> {
        match &self.object {
            Object::Socket(socket) => Ok(socket),
            _ => Err(libc::ENOTSOCK),
        }
    }
}
