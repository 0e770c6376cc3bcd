//! What the programs that meet a partner share: content, and children.
//!
//! `ci/partners.sh` runs the programs. Each ends with an error that says what did not hold.

use std::{
    error::Error,
    process::{Child, Command, Output, Stdio},
};

/// What a program ends with.
pub type Outcome = Result<(), Box<dyn Error>>;

/// Fails with the message if it does not hold.
///
/// # Errors
/// The message.
pub fn holds(yes: bool, message: impl Into<String>) -> Outcome {
    if yes {
        Ok(())
    } else {
        Err(message.into().into())
    }
}

/// Bytes that repeat nowhere nearby, each call the same: every byte value, and no text.
#[must_use]
pub fn content(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[7]
    };
    (0..len).map(step).collect()
}

/// Runs the command to its end.
///
/// # Errors
/// What the command printed, if it failed or could not be started.
pub fn run(command: &mut Command) -> Result<Output, Box<dyn Error>> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command
        .spawn()
        .and_then(Child::wait_with_output)
        .map_err(|error| format!("{}: {error}", program(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}\n{said}", program(command), output.status).into());
    }
    Ok(output)
}

fn program(command: &Command) -> std::path::Display<'_> {
    std::path::Path::new(command.get_program()).display()
}
