//! What a test says to the kernel, and asks it.

use crate::{
    file::File,
    kernel::{self, Lie, Object, Open, Settings},
    socket::{Message, Socket},
};
use linux_raw_sys::net;
use std::{
    any::Any,
    cell::RefCell,
    ffi::CString,
    rc::Rc,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

/// The machine, for one test at a time. When it is dropped, nothing may be open or mapped.
pub struct Machine {
    _alone: MutexGuard<'static, ()>,
}

/// A message as a sender or a kernel forges it. Its control data arrives as it is here.
#[derive(Default)]
pub struct Forged {
    pub bytes: Vec<u8>,
    pub control: Vec<u8>,
    /// `msg_controllen`, if it is not the length of that.
    pub control_len: Option<usize>,
    pub flags: u32,
    /// What `recvmsg` returns, if it is not the number of bytes.
    pub returned: Option<usize>,
}

impl Forged {
    /// A control message, without the padding after it.
    pub fn message(level: u32, kind: u32, numbers: &[u32]) -> Vec<u8> {
        Self::lying(
            size_of::<net::cmsghdr>() + 4 * numbers.len(),
            level,
            kind,
            numbers,
        )
    }

    /// The same, which says that it has this length.
    pub fn lying(len: usize, level: u32, kind: u32, numbers: &[u32]) -> Vec<u8> {
        let mut message = len.to_ne_bytes().to_vec();
        for word in [&[level, kind], numbers].concat() {
            message.extend(word.to_ne_bytes());
        }
        message
    }

    /// A message of descriptors with these numbers.
    pub fn rights(numbers: &[u32]) -> Vec<u8> {
        Self::message(net::SOL_SOCKET, net::SCM_RIGHTS, numbers)
    }

    /// A message of one byte with this control data.
    pub fn with(control: Vec<u8>) -> Self {
        Self {
            bytes: vec![0],
            control,
            ..Self::default()
        }
    }
}

impl Machine {
    /// The newest Linux, with nothing open.
    #[expect(clippy::new_without_default, reason = "it waits for its turn")]
    pub fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        Self {
            _alone: ALONE.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Changes what kernels and machines differ in.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut kernel::lock().settings);
    }

    /// From now on, this call does nothing and returns this.
    pub fn instead(&self, call: &'static str, value: usize) {
        kernel::lock().lie(call, Lie::Instead(value));
    }

    /// From now on, this call does nothing and fails.
    pub fn fails(&self, call: &'static str, errno: i32) {
        self.instead(call, (errno as usize).wrapping_neg());
    }

    /// From now on, this call does what it should, and returns what `lie` makes of the value.
    pub fn returns(&self, call: &'static str, lie: impl Fn(usize) -> usize + 'static) {
        kernel::lock().lie(call, Lie::Returned(Box::new(lie)));
    }

    /// From now on, this call writes what `lie` makes of the structure.
    pub fn writes<T: 'static>(&self, call: &'static str, lie: impl Fn(&mut T) + 'static) {
        let lie = move |value: &mut dyn Any| {
            if let Some(value) = value.downcast_mut() {
                lie(value);
            }
        };
        kernel::lock().lie(call, Lie::Written(Box::new(lie)));
    }

    /// Opens a regular file with this content, and returns its number.
    pub fn regular_file(&self, content: &[u8]) -> i32 {
        let mut kernel = kernel::lock();
        let file = File::new("regular", kernel.new_inode(), false, 0o755, None);
        // SAFETY: so many bytes are there.
        unsafe { file.write(0, content.as_ptr(), content.len()) }.unwrap();
        kernel
            .open(Object::File(file), libc::O_RDWR as u32, true)
            .unwrap() as i32
    }

    /// Opens the end of a pipe that has these bytes, and returns its number.
    pub fn pipe(&self, content: &[u8]) -> i32 {
        let bytes = RefCell::new(content.to_vec());
        let mut kernel = kernel::lock();
        kernel
            .open(Object::Pipe(bytes), libc::O_RDONLY as u32, true)
            .unwrap() as i32
    }

    /// Opens a datagram socket with an address, without the family: a NUL and an abstract name, or
    /// a path and a NUL.
    pub fn bound_socket(&self, address: &[u8]) -> i32 {
        let mut kernel = kernel::lock();
        let socket = Socket::new(net::SOCK_DGRAM);
        kernel
            .names
            .insert(address.to_vec(), Rc::downgrade(&socket));
        kernel
            .open(Object::Socket(socket), libc::O_RDWR as u32, true)
            .unwrap() as i32
    }

    /// Puts a message into the queue of a socket.
    pub fn forge(&self, socket: i32, message: Forged) {
        let kernel = kernel::lock();
        let open = kernel.get(socket as u32).unwrap();
        let socket = open.socket().unwrap();
        socket
            .inbox
            .borrow_mut()
            .push_back(Message::Forged(message));
    }

    /// Sends these descriptors to a socket, as many as no sender of this crate's would.
    pub fn flood(&self, socket: i32, fd: i32, count: usize) {
        let kernel = kernel::lock();
        let open = kernel.get(fd as u32).unwrap();
        let descriptors: Vec<Rc<Open>> = std::iter::repeat_n(open, count).collect();
        let bytes = vec![0];
        let socket = kernel.get(socket as u32).unwrap();
        let socket = socket.socket().unwrap();
        socket
            .inbox
            .borrow_mut()
            .push_back(Message::Sent { bytes, descriptors });
    }

    /// The arguments and the environment that the last program was to be executed with.
    pub fn executed(&self) -> Option<[Vec<CString>; 2]> {
        kernel::lock().executed.clone()
    }

    /// What the file of a descriptor has.
    pub fn content(&self, fd: i32) -> Vec<u8> {
        let kernel = kernel::lock();
        let open = kernel.get(fd as u32).unwrap();
        open.file().unwrap().content()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let left = kernel::lock().reset();
        if !thread::panicking() {
            assert_eq!(left, (0, 0), "nothing is left open or mapped");
        }
    }
}
