//! Sends an entry to journald, from std.
//!
//! `tests/freestanding` has the same for a program without std, and takes the same arguments.

use owned_memfd::{
    MemFdOptions,
    fd::AsFd,
    socket::{self, SocketAddr},
};
use partners::Outcome;
use std::{
    env,
    io::{Read, stdin},
};

fn main() -> Outcome {
    let mut arguments = env::args().skip(1);
    let mut argument = || {
        arguments
            .next()
            .ok_or("journal NAME right|byte|default-seals")
    };
    let (name, how) = (argument()?, argument()?);
    let mut payload = Vec::new();
    stdin().read_to_end(&mut payload)?;

    let mut entry = format!("MESSAGE=from std\nENTRY={name}\nPAYLOAD\n").into_bytes();
    entry.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    entry.extend_from_slice(&payload);
    entry.push(b'\n');
    let file = MemFdOptions::new()
        .exec_seal(how == "default-seals")
        .copy_from_slice("entry", &entry)?;

    let socket = socket::datagram_socket()?;
    let address = SocketAddr::from_pathname("/run/systemd/journal/socket")?;
    if how == "byte" {
        socket::send_to(&socket, b"!", &[file.as_fd()], address)?;
    } else {
        file.send_to(&socket, address)?;
    }
    Ok(())
}
