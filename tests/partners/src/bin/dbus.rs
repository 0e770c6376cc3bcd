//! Sends files over the bus of a dbus-daemon, and takes them from it, as values of the type `h`.
//!
//! With `--serve` it is the service: it proves that the file of a call cannot change and returns
//! its content, or makes a sealed file of the bytes of a call. Without, it starts one, and calls it
//! from here and from Python.

use dbus::{
    MethodErr,
    arg::OwnedFd,
    blocking::Connection,
    channel::{MatchingReceiver, Sender},
    message::{MatchRule, Message},
};
use owned_memfd::SealedMemFd;
use partners::{Outcome, content, holds, run};
use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

// Also in dbus.py.
const NAME: &str = "com.example.Files";
const PATH: &str = "/files";
const LEN: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> Outcome {
    if env::args().nth(1).as_deref() == Some("--serve") {
        return serve();
    }
    let mut service = Command::new(env::current_exe()?)
        .arg("--serve")
        .stdout(Stdio::piped())
        .spawn()?;
    let outcome = call(&mut service);
    service.kill()?;
    service.wait()?;
    outcome
}

fn serve() -> Outcome {
    let bus = Connection::new_session()?;
    bus.request_name(NAME, false, false, true)?;
    bus.start_receive(
        MatchRule::new_method_call(),
        Box::new(|message, bus| {
            let reply = answer(&message);
            bus.send(reply.unwrap_or_else(|error| error.to_message(&message)))
                .is_ok()
        }),
    );
    println!("ready");
    loop {
        bus.process(PATIENCE)?;
    }
}

fn answer(call: &Message) -> Result<Message, MethodErr> {
    let reply = call.method_return();
    match call.member().as_deref() {
        Some("Read") => {
            let file = SealedMemFd::verify(call.read1::<OwnedFd>()?, LEN)
                .map_err(|error| MethodErr::failed(&error))?;
            let content = file.map().map_err(|error| MethodErr::failed(&error))?;
            Ok(reply.append1(content.to_vec()))
        }
        Some("Make") => {
            let file = SealedMemFd::copy_from_slice("made", &call.read1::<Vec<u8>>()?)
                .map_err(|error| MethodErr::failed(&error))?;
            Ok(reply.append1(OwnedFd::from(file)))
        }
        _ => Err(MethodErr::no_method("neither Read nor Make")),
    }
}

fn call(service: &mut Child) -> Outcome {
    let mut line = String::new();
    BufReader::new(service.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    holds(line == "ready\n", "the service does not start")?;

    let content = content(LEN);
    let bus = Connection::new_session()?;
    let service = bus.with_proxy(NAME, PATH, PATIENCE);
    let ours = SealedMemFd::copy_from_slice("ours", &content)?;
    let (read,): (Vec<u8>,) = service.method_call(NAME, "Read", (OwnedFd::from(ours),))?;
    holds(
        read == content,
        "the service reads another content than was sent",
    )?;
    let (made,): (OwnedFd,) = service.method_call(NAME, "Make", (&content,))?;
    let made = SealedMemFd::verify(made, LEN)?;
    holds(
        made.map()?[..] == content,
        "the service has made another content",
    )?;

    // Debian's own, which has the module.
    run(Command::new("/usr/bin/python3").args(["-c", include_str!("dbus.py")]))?;
    Ok(())
}
