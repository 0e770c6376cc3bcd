//! What other crates for memory files do, done with this one, in the order of their documentation:
//! memfile 0.3, memfd 0.6, pentacle 1.1, memfd-ng 0.1, and the memory files of nix 0.32.
#![forbid(unsafe_code)]

use owned_memfd::{
    BorrowedMemFd, CreateError, Errno, HugePageSize, MemFdFlags, MemFdOptions, OwnedMemFd,
    SealedMemFd, Seals,
    exec::{ExecError, OwnedArgs},
};
use std::{
    error::Error,
    ffi::CString,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd},
        unix::{
            fs::{FileExt, MetadataExt},
            process::CommandExt,
        },
    },
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

type Outcome = Result<(), Box<dyn Error>>;

const SIZES: [HugePageSize; 12] = [
    HugePageSize::KB_64,
    HugePageSize::KB_512,
    HugePageSize::MB_1,
    HugePageSize::MB_2,
    HugePageSize::MB_8,
    HugePageSize::MB_16,
    HugePageSize::MB_32,
    HugePageSize::MB_256,
    HugePageSize::MB_512,
    HugePageSize::GB_1,
    HugePageSize::GB_2,
    HugePageSize::GB_16,
];

/// Creates a file on huge pages of each size that this machine lists, and fills one where pages of
/// that size are free. Without a list, nothing is known of this machine.
fn files_on_huge_pages(options: MemFdOptions) -> Outcome {
    /// Tests of one process take pages from one pool.
    static POOL: Mutex<()> = Mutex::new(());

    let _pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    let list = Path::new("/sys/kernel/mm/hugepages");
    for size in SIZES {
        let bytes = size.bytes().ok_or("no size")?;
        let pool = list.join(format!("hugepages-{}kB", bytes / 1024));
        let options = options.huge_pages(size);
        if !pool.exists() {
            if list.exists() {
                let error = options.create("huge").map(drop).unwrap_err();
                assert_eq!(error, CreateError::Kernel(Errno::ENODEV), "{size:?}");
            }
            continue;
        }
        assert_eq!(options.create("huge")?.len(), Ok(0));
        let read = |name| -> Result<u64, Box<dyn Error>> {
            Ok(fs::read_to_string(pool.join(name))?.trim().parse()?)
        };
        let free = read("free_hugepages")?.saturating_sub(read("resv_hugepages")?);
        let more = read("nr_overcommit_hugepages")?;
        let len = usize::try_from(bytes)?;
        let filled = options.create_with("huge", len, |content| content[len - 1] = 1);
        if free > 0 {
            assert_eq!(filled?.len(), len, "{size:?}");
        } else if more == 0 {
            let none = CreateError::NoHugePages { len };
            assert_eq!(filled.map(drop).unwrap_err(), none, "{size:?}");
        }
    }
    Ok(())
}

#[test]
fn what_memfile_does() -> Outcome {
    // MemFile::create, create_cstr, create_default, create_sealable; CreateOptions.
    let options = MemFdOptions::new();
    options.create(CString::new("a name")?.as_c_str())?;
    let never = options.sealable(false).create("default")?;
    assert!(never.seals()?.contains(Seals::SEAL));
    let mut file = options.sealable(true).create("sealable")?;
    files_on_huge_pages(options)?;

    // Write, Read, Seek, FileExt, set_len.
    write!(file, "hello, {}", 12345)?;
    Seek::seek(&mut file, SeekFrom::Start(7))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    assert_eq!(text, "12345");
    FileExt::write_all_at(&file, b"H", 0)?;
    let mut byte = [0];
    FileExt::read_exact_at(&file, &mut byte, 0)?;
    assert_eq!(&byte, b"H");
    file.set_len(5)?;

    // try_clone, as_fd, into_fd, from_fd, into_file, metadata.
    let clone = file.try_clone()?;
    assert_eq!(clone.as_fd().as_raw_fd(), clone.as_raw_fd());
    assert_eq!(file.len()?, 5);
    let as_std = File::from(clone);
    assert_eq!(as_std.metadata()?.len(), 5);
    let fd = OwnedFd::from(as_std);
    let clone = OwnedMemFd::try_from(fd)?;
    // FromFdError: error, fd, into_parts, into_error, into_fd.
    let other = OwnedFd::from(File::open("/")?);
    let number = other.as_raw_fd();
    let refused = OwnedMemFd::try_from(other).err().ok_or("taken")?;
    assert_eq!(refused.get_ref().as_fd().as_raw_fd(), number);
    let (kind, fd) = (refused.kind(), refused.into_inner());
    assert_eq!(fd.as_raw_fd(), number);
    assert_eq!(io::Error::from(kind).kind(), io::ErrorKind::InvalidInput);

    // get_seals, add_seal, add_seals.
    clone.add_seals(Seals::FUTURE_WRITE)?;
    clone.add_seals(Seals::SHRINK | Seals::GROW)?;
    let seals = file.seals()?;
    // Seals: from_bits_truncate, bits, empty, all, len, is_empty, is_all, contains, intersects, iter,
    // and the operators.
    assert_eq!(Seals::from_bits_truncate(seals.bits()), seals);
    assert!(seals.contains(Seals::SHRINK) && !seals.intersects(Seals::WRITE));
    assert!(!seals.is_empty() && !seals.is_all() && Seals::all().is_all());
    assert!(seals.iter().count() >= 3);
    assert_eq!(seals & Seals::GROW, Seals::GROW);
    assert_eq!((seals - Seals::GROW) ^ Seals::GROW, seals);
    assert_eq!(!Seals::all(), Seals::empty());
    let mut some = Seals::WRITE;
    some |= Seals::SEAL;
    some -= Seals::WRITE;
    some ^= Seals::WRITE;
    some &= Seals::SEAL;
    assert_eq!(some.into_iter().next(), Some(Seals::SEAL));

    // Stdio.
    file.seek(SeekFrom::Start(0))?;
    let output = Command::new("cat").stdin(Stdio::from(file)).output()?;
    assert_eq!(output.stdout, b"Hello");
    Ok(())
}

#[test]
fn what_memfd_does() -> Outcome {
    // MemfdOptions: allow_sealing, close_on_exec, hugetlb, create.
    let options = MemFdOptions::new().sealable(true).close_on_exec(false);
    let file = options.create(String::from("a name").as_str())?;
    assert_eq!(file.close_on_exec(), Ok(false));
    files_on_huge_pages(MemFdOptions::new())?;

    // as_file, into_file, try_from_file, try_from_fd.
    let as_std = File::from(file.try_clone()?);
    as_std.write_all_at(b"content", 0)?;
    assert_eq!(as_std.metadata()?.size(), 7);
    let file = OwnedMemFd::try_from(File::from(file))?;
    let file = OwnedMemFd::try_from(OwnedFd::from(file))?;
    let refused = OwnedMemFd::try_from(File::open("/")?)
        .err()
        .ok_or("taken")?;
    let back: File = refused.into_inner();
    assert!(back.metadata()?.is_dir());

    // add_seal, add_seals, seals. A set of seals is a number here; a list of them becomes one.
    file.add_seals(Seals::GROW)?;
    file.add_seals([Seals::SHRINK, Seals::WRITE].into_iter().collect())?;
    file.add_seals(Seals::SEAL)?;
    let every: Vec<Seals> = file.seals()?.iter().collect();
    for seal in [Seals::GROW, Seals::SHRINK, Seals::WRITE, Seals::SEAL] {
        assert!(every.contains(&seal));
    }
    assert_eq!(file.add_seals(Seals::FUTURE_WRITE), Err(Errno::EPERM));

    // AsRawFd, IntoRawFd; FromRawFd is unsafe in both.
    is_made_of_a_number(&file);
    Ok(())
}

fn is_made_of_a_number<T: AsRawFd + IntoRawFd + FromRawFd>(_: &T) {}

#[test]
fn what_pentacle_does() -> Outcome {
    // SealOptions: close_on_exec, executable, memfd_name, copy_and_seal from a reader.
    let options = MemFdOptions::new().close_on_exec(false).executable(true);
    let mut program = File::open("/bin/echo")?;
    let mut buffer = vec![0; 1 << 16];
    let mut writer = options.writer(c"pentacle", &mut buffer)?;
    io::copy(&mut program, &mut writer)?;
    let sealed = writer.finish()?;
    // From a descriptor, the kernel copies.
    let program = File::open("/bin/echo")?;
    let copied = options.copy_from_file("pentacle", &program, 1 << 28)?;
    assert_eq!(copied.len(), sealed.len());

    // create, write, seal; seals one by one, of which some must be there; is_sealed.
    let mut file = File::from(options.create(c"by hand")?);
    file.write_all(b"#!/bin/sh\n")?;
    let lent = BorrowedMemFd::try_from(file.as_fd())?;
    lent.add_seals(Seals::SHRINK | Seals::GROW | Seals::WRITE)?;
    // Not every kernel has this one.
    match lent.add_seals(Seals::EXEC) {
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(error) => return Err(error.into()),
    }
    lent.add_seals(Seals::SEAL)?;
    let must = Seals::SHRINK | Seals::GROW | Seals::WRITE | Seals::SEAL;
    assert!(lent.seals()?.contains(must));
    SealedMemFd::try_from(file)?;

    // SealedCommand: a Command that runs it, also a script, with any name, and exec.
    let nothing = OwnedArgs::new([""; 0])?;
    let mut echo = Command::new("echo");
    echo.args(["from", "memory"]).stdout(Stdio::piped());
    let output = sealed.spawn(echo, nothing)?.wait_with_output()?;
    assert_eq!(output.stdout, b"from memory\n");
    let script = options.copy_from_slice("script", b"#!/bin/sh\necho \"$0 $1\"\n")?;
    let path = script.proc_path();
    let output = Command::new(path).arg("argument").output()?;
    assert_eq!(output.stdout, format!("{path} argument\n").as_bytes());
    let path = sealed.proc_path();
    let output = Command::new(path).arg0("name").arg("--version").output()?;
    assert!(output.status.success());

    // ensure_sealed, is_sealed.
    let mut this = Command::new(env!("CARGO_BIN_EXE_sealed"));
    let output = this.args(["goes", "on"]).output()?;
    let len = File::open(env!("CARGO_BIN_EXE_sealed"))?.metadata()?.len();
    assert_eq!(
        output.stdout,
        format!("goes on of {len} bytes\n").as_bytes()
    );
    let exe = File::open("/proc/self/exe")?;
    assert!(SealedMemFd::try_from(exe).is_err());
    Ok(())
}

#[test]
fn what_nix_does() -> Outcome {
    // memfd_create with each flag, and any NixPath as a name.
    let all = MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING;
    OwnedMemFd::create(c"a C string", all)?;
    OwnedMemFd::create(&CString::new("owned")?, MemFdFlags::empty())?;
    MemFdOptions::new().create("a string")?;
    for flag in [MemFdFlags::EXEC, MemFdFlags::NOEXEC_SEAL] {
        match OwnedMemFd::create(c"flag", MemFdFlags::CLOEXEC | flag) {
            Ok(_) | Err(Errno::EINVAL | Errno::EACCES) => {}
            Err(error) => return Err(error.into()),
        }
    }
    files_on_huge_pages(MemFdOptions::new())?;
    // fcntl: F_ADD_SEALS, F_GET_SEALS, F_SETFD, F_DUPFD_CLOEXEC; ftruncate, fallocate, pread, pwrite.
    let file = OwnedMemFd::create(c"file", all)?;
    file.set_len(10)?;
    file.allocate(0, 20)?;
    assert_eq!(file.write_at(b"at", 18)?, 2);
    assert_eq!(file.read_at(&mut [0; 5], 18)?, 2);
    file.set_close_on_exec(false)?;
    file.add_seals(Seals::SHRINK)?;
    assert_eq!(file.try_clone()?.seals()?, file.seals()?);
    // mmap of a whole file and of a part, shared and private.
    let map = file.map_shared(..)?;
    let mut bytes = [0; 2];
    map.read_exact_at(&mut bytes, 18)?;
    assert_eq!(&bytes, b"at");
    drop(map);
    let sealed = file.seal()?;
    assert_eq!(&sealed.map_range(18..)?[..], b"at");
    sealed.map_copy()?[0] = 1;
    Ok(())
}

#[test]
fn what_memfd_ng_does() -> Outcome {
    // MemFdExecutable::new, prepare, is_sealed, current_seals, memfd_path.
    let code = std::fs::read("/bin/sh")?;
    let options = MemFdOptions::new().executable(true);
    let program = options.copy_from_slice("sh", &code)?;
    assert!(program.seals()?.contains(Seals::WRITE | Seals::SHRINK));
    let path = program.proc_path().to_string();
    assert!(path.starts_with("/proc/self/fd/"));
    // sealed(false), seals.
    let unsealed = options.create("sh")?;
    unsealed.write_all(&code)?;
    unsealed.add_seals(Seals::GROW)?;

    // arg, args, env, env_remove, env_clear, stdin, stdout, stderr, cwd, process_group, spawn, and
    // wait; the program runs as often as it is asked for.
    for word in ["once", "again"] {
        let script = "read line; echo $line $0 $VARIABLE $UNSET; pwd; exit 7";
        let env = OwnedArgs::new(["VARIABLE=set"])?;
        let mut input = MemFdOptions::new().create("input")?;
        Write::write_all(&mut input, b"line\n")?;
        input.seek(SeekFrom::Start(0))?;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script, word])
            .stdin(Stdio::from(input))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0);
        let child = program.spawn(shell, env)?;
        assert!(child.id() > 0);
        let output = child.wait_with_output()?;
        let expected = format!("line {word} set\n/\n");
        assert_eq!(String::from_utf8(output.stdout)?, expected);
        assert_eq!(output.status.code(), Some(7));
    }
    // kill, try_wait.
    let mut shell = Command::new("sh");
    shell.args(["-c", "sleep 100"]);
    let mut child = program.spawn(shell, OwnedArgs::environment())?;
    assert!(child.try_wait()?.is_none());
    child.kill()?;
    assert!(!child.wait()?.success());
    // What is no program is an error when it is started.
    let text = options.copy_from_slice("text", b"no program")?;
    let error = text.spawn(Command::new("text"), OwnedArgs::environment());
    let error = error.map(drop).unwrap_err();
    assert_eq!(error.to_string(), ExecError::InvalidExecutable.to_string());
    Ok(())
}
