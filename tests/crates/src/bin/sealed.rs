//! Goes on from a sealed copy of itself, and says so with its arguments, as tests/instead.rs wants.
#![forbid(unsafe_code)]

use owned_memfd::exec::{OwnedArgs, ensure_sealed};
use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    let (args, variables) = (OwnedArgs::current(), OwnedArgs::environment());
    let program = ensure_sealed(args.as_args(), variables.as_args())?;
    let args: Vec<String> = env::args().skip(1).collect();
    println!("{} of {} bytes", args.join(" "), program.len());
    Ok(())
}
