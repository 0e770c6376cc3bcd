//! Python receives a file that it cannot change, and sends files that it has made.
//!
//! It sends one that is sealed, which is proven and shared, and one that is not, which is refused
//! and can be copied.

use owned_memfd::{
    SealedMemFd, VerifyErrorKind,
    socket::{self, ReceivedFds, SocketType},
};
use partners::{Outcome, content, holds, run};
use std::process::Command;

const LEN: usize = 1 << 20;

fn main() -> Outcome {
    let content = content(LEN);
    let (here, there) = socket::socket_pair(SocketType::SeqPacket)?;
    let file = SealedMemFd::copy_from_slice("ours", &content)?;
    file.send(&here)?;
    let mut python = Command::new("python3");
    python.args(["-c", include_str!("python.py")]).stdin(there);
    let output = run(&mut python)?;
    holds(
        output.stdout == content,
        "Python reads another content than was sent",
    )?;
    holds(file.map()?[..] == content, "Python has changed the content")?;

    // Python has ended by now: its files live on in the socket.
    let sealed = SealedMemFd::receive(&here, LEN)?;
    holds(
        sealed.map()?[..] == content,
        "the sealed file has another content",
    )?;

    let mut received = ReceivedFds::<1>::new();
    socket::receive(&here, &mut [0], &mut received)?;
    let unsealed = received.next().ok_or("no second descriptor")?;
    let refused = match SealedMemFd::verify(unsealed, LEN) {
        Err(refused) => refused,
        Ok(file) => return Err(format!("proven, but not sealed: {file:?}").into()),
    };
    holds(
        matches!(refused.kind(), VerifyErrorKind::MissingSeals(_)),
        format!("an unsealed file is refused because it is {refused}"),
    )?;
    let copy = SealedMemFd::verify_or_copy(refused.into_inner(), LEN)?;
    holds(copy.map()?[..] == content, "the copy has another content")
}
