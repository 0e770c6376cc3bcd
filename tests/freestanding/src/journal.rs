//! Sends an entry to journald, as a program without libc and std would.
//!
//! journald is tests/partners' business: `ci/partners.sh` starts it, and reads the entry from it.

use crate::entry::Arguments;
use owned_memfd::{
    Errno, MemFdOptions, SealedMemFd,
    fd::{AsFd, BorrowedFd},
    socket::{self, SocketAddr},
};

/// Where journald listens.
const ADDRESS: &[u8] = b"/run/systemd/journal/socket";

/// Sends an entry with the bytes of standard input. It is named by the first argument. The second
/// says how it is sent: `right`, with a byte beside it, or with the seals that files have by
/// default.
pub fn send(mut arguments: Arguments) -> Result<(), Errno> {
    let (Some(name), Some(how)) = (arguments.next(), arguments.next()) else {
        return Err(Errno::EINVAL);
    };
    let file = entry(name.to_bytes(), how != c"default-seals")?;
    let socket = socket::datagram_socket()?;
    let address = SocketAddr::from_pathname(ADDRESS).map_err(|_| Errno::EINVAL)?;
    if how == c"byte" {
        socket::send_to(&socket, b"!", &[file.as_fd()], address)?;
        Ok(())
    } else {
        file.send_to(&socket, address)
    }
}

/// The entry: a text, the name, and a field that has its length before it.
fn entry(name: &[u8], exact_seals: bool) -> Result<SealedMemFd, Errno> {
    // SAFETY: standard input is open, or the calls fail.
    let input = unsafe { BorrowedFd::borrow_raw(0) };
    let file = MemFdOptions::new()
        .exec_seal(!exact_seals)
        .create(c"entry")?;
    file.write_all(b"MESSAGE=from no_std\nENTRY=")?;
    file.write_all(name)?;
    file.write_all(b"\nPAYLOAD\n")?;
    let at = file.len()?;
    file.write_all(&[0; 8])?;
    let len = file.copy_from(input, u64::MAX)?;
    file.write_all_at(&len.to_le_bytes(), at)?;
    file.write_all(b"\n")?;
    Ok(file.seal()?)
}
