//! Provides the program that `init` carries to src/main.rs.
//!
//! This is the file that `INIT_PROGRAM` names. Without that variable, it is src/program.rs,
//! compiled with the same flags as `init`.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

fn main() -> ExitCode {
    let Err(error) = carry() else {
        return ExitCode::SUCCESS;
    };
    println!("cargo::error={error}");
    ExitCode::FAILURE
}

fn carry() -> Result<(), Box<dyn Error>> {
    let carried = Path::new(&env::var("OUT_DIR")?).join("program");
    println!("cargo::rerun-if-env-changed=INIT_PROGRAM");
    match env::var_os("INIT_PROGRAM").map(PathBuf::from) {
        Some(program) => copy(&program, &carried),
        None => compile(&carried),
    }
}

fn copy(program: &Path, carried: &Path) -> Result<(), Box<dyn Error>> {
    let name = program.display();
    println!("cargo::rerun-if-changed={name}");
    let bytes = fs::read(program).map_err(|error| format!("INIT_PROGRAM={name}: {error}"))?;
    Ok(fs::write(carried, bytes)?)
}

fn compile(carried: &Path) -> Result<(), Box<dyn Error>> {
    for source in ["src/program.rs", "src/sys.rs"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS")?;
    let status = Command::new(env::var("RUSTC")?)
        .args(["src/program.rs", "--edition=2024"])
        .args(["--target", &env::var("TARGET")?])
        // Without flags, splitting yields one empty flag.
        .args(flags.split('\x1f').filter(|flag| !flag.is_empty()))
        .args([
            "-Cpanic=abort",
            "-Copt-level=s",
            "-Clto=fat",
            "-Cstrip=symbols",
        ])
        .arg("-o")
        .arg(carried)
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("src/program.rs: rustc: {status}").into())
    }
}
