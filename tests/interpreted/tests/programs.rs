//! Running files, and early boot, on a kernel that does what Linux does and executes nothing.
#![cfg(miri)]

use interpreted::Machine;
use owned_memfd::{
    Errno, MemFdOptions, SealedMemFd,
    boot::{BootError, kexec_file_load},
    exec::{Arg, Args, ExecError, ensure_sealed},
    fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};
use std::{ffi::CString, ptr};

fn program(content: &[u8]) -> SealedMemFd {
    let options = MemFdOptions::new().executable(true);
    options.copy_from_slice("program", content).unwrap()
}

fn strings(strings: &[&str]) -> Vec<CString> {
    strings
        .iter()
        .map(|&string| CString::new(string).unwrap())
        .collect()
}

#[test]
fn arguments_are_passed_as_they_are() {
    let machine = Machine::new();
    let program = program(b"text");
    let list = [
        Some(Arg::new(c"ls")),
        Some(c"-l".into()),
        Some(c"".into()),
        None,
        Some(c"x".into()),
        None,
    ];
    let args = Args::new(&list).unwrap();
    assert_eq!(
        program.exec(args, Args::EMPTY),
        Err(ExecError::InvalidExecutable)
    );
    assert_eq!(
        machine.executed().unwrap(),
        [strings(&["ls", "-l", ""]), vec![]]
    );
    assert!(Args::new(&list[..1]).is_none());
    assert!(Args::new(&[]).is_none());
    assert_eq!(format!("{list:?}"), format!("{list:?}"));
    // As the kernel gives them to a program.
    let own = [c"one".as_ptr(), c"two".as_ptr(), ptr::null()];
    // SAFETY: it is a list of static strings that ends in null.
    let args = unsafe { Args::from_ptr(own.as_ptr()) };
    assert_eq!(
        program.exec(Args::EMPTY, args),
        Err(ExecError::InvalidExecutable)
    );
    assert_eq!(
        machine.executed().unwrap(),
        [vec![], strings(&["one", "two"])]
    );
}

#[test]
fn arguments_are_shared_by_threads() {
    let _machine = Machine::new();
    let program = program(b"text");
    let list = [Some(Arg::new(c"ls")), None];
    let args = Args::new(&list).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| program.exec(args, args).unwrap_err());
        program.exec(args, args).unwrap_err();
    });
}

#[test]
fn a_program_is_executed_by_its_path_where_the_call_is_missing() {
    let machine = Machine::new();
    let program = program(b"\x7fELF");
    machine.fails("execveat", libc::ENOSYS);
    assert_eq!(
        program.exec(Args::EMPTY, Args::EMPTY),
        Err(ExecError::Truncated)
    );
    assert!(machine.executed().is_some());
    machine.set(|settings| settings.proc = false);
    let missing = Err(ExecError::Kernel(Errno::ENOSYS));
    assert_eq!(program.exec(Args::EMPTY, Args::EMPTY), missing);
}

#[test]
fn what_is_no_program_is_explained() {
    let _machine = Machine::new();
    let header = |bytes: &[u8]| {
        let mut header = b"\x7fELF\x02\x01".to_vec();
        header.resize(18, 0);
        header.extend_from_slice(bytes);
        header
    };
    for (content, error) in [
        (vec![], ExecError::Empty),
        (b"text".to_vec(), ExecError::InvalidExecutable),
        (b"#!/bin/sh".to_vec(), ExecError::ScriptCloseOnExec),
        (b"#! \n".to_vec(), ExecError::NoInterpreter),
        (header(&[40, 0]), ExecError::OtherMachine { machine: 40 }),
    ] {
        assert_eq!(program(&content).exec(Args::EMPTY, Args::EMPTY), Err(error));
    }
    let plain = SealedMemFd::copy_from_slice("plain", b"text").unwrap();
    assert_eq!(
        plain.exec(Args::EMPTY, Args::EMPTY),
        Err(ExecError::NotExecutable)
    );
    assert_eq!(plain.check_exec(), Err(ExecError::NotExecutable));
    assert_eq!(program(b"text").check_exec(), Ok(()));
}

#[test]
fn this_program_goes_on_from_a_sealed_copy() {
    let machine = Machine::new();
    // SAFETY: the machine has just opened it for this.
    let exe = unsafe { OwnedFd::from_raw_fd(machine.regular_file(b"text")) };
    let set = |fd: &OwnedFd| {
        let number = fd.as_raw_fd() as u32;
        machine.set(|settings| settings.program = Some(number));
    };
    set(&exe);
    let list = [Some(Arg::new(c"again")), None];
    let args = Args::new(&list).unwrap();
    let error = ensure_sealed(args, Args::EMPTY).unwrap_err();
    assert_eq!(error, ExecError::InvalidExecutable);
    assert_eq!(machine.executed().unwrap()[0], strings(&["again"]));
    // In the copy.
    let copy = OwnedFd::from(program(b"text"));
    set(&copy);
    assert_eq!(ensure_sealed(args, Args::EMPTY).unwrap().len(), 4);
    // Somebody else has made one, and can write it.
    let name = "owned-memfd-sealed-exe";
    let forged = OwnedFd::from(MemFdOptions::new().create(name).unwrap());
    set(&forged);
    assert_eq!(
        ensure_sealed(args, Args::EMPTY).unwrap_err(),
        ExecError::UnsealedCopy
    );
    machine.set(|settings| settings.proc = false);
    assert_eq!(
        ensure_sealed(args, Args::EMPTY).unwrap_err(),
        ExecError::NoProc
    );
}

#[test]
fn a_module_and_a_kernel_are_loaded() {
    let _machine = Machine::new();
    let module = program(b"\x7fELF");
    assert_eq!(module.load_module(c"max_part=0"), Ok(()));
    let text = program(b"text");
    assert_eq!(
        text.load_module(c""),
        Err(BootError::Kernel(Errno::ENOEXEC))
    );
    assert_eq!(kexec_file_load(&module, Some(&text), c"quiet"), Ok(()));
    assert_eq!(kexec_file_load(&module, None, c""), Ok(()));
}

#[test]
fn a_file_becomes_a_block_device() {
    let _machine = Machine::new();
    let device = program(b"image").attach_loop().unwrap();
    assert_eq!(&*device.path(), c"/dev/loop0");
    let _ = device.as_fd();
    let file = MemFdOptions::new().create("image").unwrap();
    assert_eq!(file.attach_loop().unwrap().number(), 0);
}
