//! Provides the program that `init` carries, and its configuration, to src/main.rs.
//!
//! The configuration is the file that `INIT_CONFIG` names, whatever is in it. Without that
//! variable, there is none.
//!
//! The program is the file that `INIT_PROGRAM` names. Without that variable, it is src/program.rs,
//! compiled with the same flags as `init`.
//!
//! A file that the target's kernel could not run is an error here, and no panic of that kernel
//! later: one that is no ELF program, is for another CPU, or lacks a part. So is a script, since
//! an initramfs of this file alone has no interpreter. A dynamic program is a warning: its dynamic
//! linker must be in the initramfs. `INIT_UNCHECKED=1` carries whatever there is.

use object::{
    Endianness,
    elf::{self, FileHeader64, Machine},
    read::elf::{FileHeader, ProgramHeader, SectionHeader},
};
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
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let carried = out.join("program");
    for variable in ["INIT_PROGRAM", "INIT_CONFIG", "INIT_UNCHECKED"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let config = match env::var_os("INIT_CONFIG").map(PathBuf::from) {
        Some(config) => {
            let name = config.display();
            println!("cargo::rerun-if-changed={name}");
            fs::read(&config).map_err(|error| format!("INIT_CONFIG={name}: {error}"))?
        }
        None => Vec::new(),
    };
    fs::write(out.join("config"), config)?;
    let name = match env::var_os("INIT_PROGRAM").map(PathBuf::from) {
        Some(program) => copy(&program, &carried)?,
        None => compile(&carried)?,
    };
    println!("cargo::rustc-env=INIT_PROGRAM_NAME={name}");
    Ok(())
}

fn copy(program: &Path, carried: &Path) -> Result<String, Box<dyn Error>> {
    let name = program.display();
    println!("cargo::rerun-if-changed={name}");
    let about = |error: &dyn Error| format!("INIT_PROGRAM={name}: {error}");
    let bytes = fs::read(program).map_err(|error| about(&error))?;
    if env::var_os("INIT_UNCHECKED").is_none_or(|value| value != "1") {
        if let Some(linker) = check(&bytes).map_err(|error| about(&*error))? {
            println!(
                "cargo::warning=INIT_PROGRAM={name}: it needs {linker}, which must be in the initramfs"
            );
        }
    }
    fs::write(carried, bytes)?;
    // One line, and not a long one, for the console.
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    Ok(name.chars().filter(|c| !c.is_control()).take(64).collect())
}

/// Whether the target's kernel can run the program, which is whole. Returns the path of its dynamic
/// linker, if it needs one.
fn check(bytes: &[u8]) -> Result<Option<String>, Box<dyn Error>> {
    const CUT: &str = "it is cut off: a part of the program is past the end of the file";

    let cpu = env::var("CARGO_CFG_TARGET_ARCH")?;
    let machine = match &*cpu {
        "x86_64" => elf::EM_X86_64,
        "aarch64" => elf::EM_AARCH64,
        "riscv64" => elf::EM_RISCV,
        _ => return Err(format!("programs for {cpu} are not known").into()),
    };
    if bytes.is_empty() {
        return Err("it is empty".into());
    }
    if bytes.starts_with(b"#!") {
        return Err("it is a script, and its interpreter is not in memory".into());
    }
    if !bytes.starts_with(b"\x7fELF") {
        return Err("it is not a program".into());
    }
    // The same in every ELF file: the class, the byte order, and then the machine.
    let (class, order) = (bytes.get(4), bytes.get(5));
    let found = match bytes.get(18..20) {
        Some(&[one, other]) if order == Some(&2) => Machine(u16::from_be_bytes([one, other])),
        Some(&[one, other]) => Machine(u16::from_le_bytes([one, other])),
        _ => return Err(CUT.into()),
    };
    if (found, class, order) != (machine, Some(&2), Some(&1)) {
        return Err(format!(
            "it is not for {cpu}: its ELF machine is {}, of class {} and byte order {}, not {}, 2 and 1",
            found.0,
            class.unwrap_or(&0),
            order.unwrap_or(&0),
            machine.0,
        )
        .into());
    }
    let header = FileHeader64::<Endianness>::parse(bytes).map_err(|_| CUT)?;
    let endian = header.endian()?;
    if ![elf::ET_EXEC, elf::ET_DYN].contains(&header.e_type(endian)) {
        return Err("it is not a program, but an object file or the like".into());
    }
    let segments = header.program_headers(endian, bytes).map_err(|_| CUT)?;
    let mut linker = None;
    for segment in segments {
        segment.data(endian, bytes).map_err(|()| CUT)?;
        if let Ok(Some(path)) = segment.interpreter(endian, bytes) {
            linker = Some(String::from_utf8_lossy(path).into_owned());
        }
    }
    if segments.is_empty() {
        return Err("it has nothing that is loaded".into());
    }
    for section in header.section_headers(endian, bytes).map_err(|_| CUT)? {
        section.data(endian, bytes).map_err(|_| CUT)?;
    }
    Ok(linker)
}

fn compile(carried: &Path) -> Result<String, Box<dyn Error>> {
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
        Ok("src/program.rs".into())
    } else {
        Err(format!("src/program.rs: rustc: {status}").into())
    }
}
