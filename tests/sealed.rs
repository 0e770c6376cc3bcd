//! Claims about sealed files and their maps that need threads or unwinding.
//!
//! Claims that need neither are in `tests/suite`.

use owned_memfd::{
    CopyMap, ExecMap, MemFdOptions, SealedMap, SealedMemFd, SharedAtomicMut, SharedMap,
    SharedMapMut,
};
use std::{
    error::Error,
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    panic::{self, AssertUnwindSafe},
    process::Command,
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    thread,
};
use suite::World;

type Outcome = Result<(), Box<dyn Error>>;

/// How many descriptors and mappings of a memory file of that name this process has. Other tests,
/// which use other names, run at the same time.
fn seen(name: &str) -> (usize, usize) {
    let name = format!("/memfd:{name} ");
    let open = fs::read_dir("/proc/self/fd").map_or(0, |entries| {
        entries
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|link| link.to_string_lossy().starts_with(&name))
            .count()
    });
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    (
        open,
        maps.lines().filter(|line| line.contains(&name)).count(),
    )
}

#[test]
fn a_build_that_panics_leaves_nothing_behind() {
    for _ in 0..3 {
        let mut inside = (0, 0);
        let caught = panic::catch_unwind(AssertUnwindSafe(|| {
            SealedMemFd::create_with(c"panics", 10_000, |bytes| {
                bytes[9_999] = 1;
                inside = seen("panics");
                panic::resume_unwind(Box::new("on purpose"));
            })
        }));
        assert_eq!(
            caught.err().and_then(|what| what.downcast().ok()),
            Some(Box::new("on purpose"))
        );
        assert_eq!(inside, (1, 1));
        assert_eq!(seen("panics"), (0, 0));
    }
}

#[test]
fn a_build_that_succeeds_leaves_only_the_file() -> Outcome {
    let sealed = SealedMemFd::create_with("succeeds", 10_000, |bytes| bytes.fill(7))?;
    assert_eq!(seen("succeeds"), (1, 0));
    let map = sealed.map()?;
    assert_eq!(seen("succeeds"), (1, 1));
    drop(sealed);
    assert_eq!(seen("succeeds"), (0, 1));
    assert!(map.iter().all(|byte| *byte == 7));
    drop(map);
    assert_eq!(seen("succeeds"), (0, 0));
    Ok(())
}

#[test]
fn maps_go_from_thread_to_thread_and_are_read_by_many() -> Outcome {
    fn moves_and_is_shared<T: Send + Sync + 'static>() {}
    moves_and_is_shared::<SealedMemFd>();
    moves_and_is_shared::<SealedMap>();
    moves_and_is_shared::<CopyMap>();
    moves_and_is_shared::<ExecMap>();
    moves_and_is_shared::<SharedMapMut>();
    moves_and_is_shared::<SharedAtomicMut<u64>>();
    moves_and_is_shared::<SharedMap>();

    let sealed = SealedMemFd::create_with(c"threads", 100_000, |bytes| bytes.fill(7))?;
    let map = sealed.map()?;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert!(map.iter().all(|byte| *byte == 7));
                for _ in 0..100 {
                    let another = sealed.map().unwrap();
                    assert_eq!(another[99_999], 7);
                }
            });
        }
    });
    let sum = thread::spawn(move || map.iter().map(|byte| u32::from(*byte)).sum::<u32>());
    assert_eq!(sum.join().ok(), Some(700_000));
    assert_eq!(seen("threads"), (1, 0));
    Ok(())
}

#[test]
fn shared_memory_is_written_and_read_by_many_threads() -> Outcome {
    const LEN: usize = 1000;
    let file = MemFdOptions::new().create(c"many")?;
    file.set_len(LEN as u64)?;
    let shared = file.map_shared_mut(..)?;
    thread::scope(|scope| {
        for value in 1..=4 {
            let shared = &shared;
            scope.spawn(move || {
                for _ in 0..200 {
                    shared.write_all_at(&[value; LEN], 0).unwrap();
                    let mut found = [0; LEN];
                    shared.read_exact_at(&mut found, 0).unwrap();
                    // Each byte has one of the values that were written to it.
                    assert!(found.iter().all(|byte| (1..=4).contains(byte)));
                }
            });
        }
    });
    Ok(())
}

#[test]
fn building_goes_on_while_other_threads_start_processes() -> Outcome {
    // A child of QEMU user-mode waits for ever for a lock that another thread held at the fork.
    if !World::probe().keeps_from_children() {
        println!(
            "\nskip building_goes_on_while_other_threads_start_processes: \
             an emulator's processes may not fork while other threads run"
        );
        return Ok(());
    }
    let user = fs::metadata("/proc/self")?.uid();
    let (over, started) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    // Setting the user makes std use fork, which copies mappings, and not another
                    // call.
                    let status = Command::new("true").uid(user).status().unwrap();
                    assert!(status.success());
                    started.fetch_add(1, Relaxed);
                }
            });
        }
        let mut built = Ok(());
        let mut rounds = 0;
        while built.is_ok() && (rounds < 200 || started.load(Relaxed) < 40) {
            rounds += 1;
            built = SealedMemFd::create_with(c"busy", 100_000, |bytes| bytes.fill(7))
                .and_then(|sealed| Ok(sealed.map()?))
                .map(|map| assert_eq!(map[99_999], 7));
        }
        over.store(true, Relaxed);
        assert_eq!(built, Ok(()));
    });
    assert_eq!(seen("busy"), (0, 0));
    Ok(())
}

/// Whether the one descriptor of the memory file with this name is closed on exec.
fn is_closed_on_exec(name: &str) -> Option<bool> {
    const O_CLOEXEC: u32 = 0o2_000_000;
    let link = format!("/memfd:{name} (deleted)");
    let entry = fs::read_dir("/proc/self/fd")
        .ok()?
        .filter_map(Result::ok)
        .find(|entry| {
            fs::read_link(entry.path()).is_ok_and(|to| to.as_os_str() == link.as_str())
        })?;
    let about = fs::read_to_string(format!(
        "/proc/self/fdinfo/{}",
        entry.file_name().to_string_lossy()
    ));
    let flags = about
        .ok()?
        .lines()
        .find_map(|line| u32::from_str_radix(line.strip_prefix("flags:")?.trim(), 8).ok())?;
    Some(flags & O_CLOEXEC != 0)
}

#[test]
fn no_program_inherits_what_build_lends() -> Outcome {
    for close_on_exec in [true, false] {
        let mut lent = None;
        let options = MemFdOptions::new().close_on_exec(close_on_exec);
        let sealed = options.create_with("lent", 10, |_| lent = is_closed_on_exec("lent"))?;
        assert_eq!(lent, Some(true), "while it can be written");
        assert_eq!(
            is_closed_on_exec("lent"),
            Some(close_on_exec),
            "as asked for"
        );
        drop(sealed);
    }
    Ok(())
}
