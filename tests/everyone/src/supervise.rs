//! The process that starts the others, watches that each thread goes on, and judges what they have
//! done.
#![allow(unsafe_code)]

use crate::{
    Outcome,
    attacks::{Attack, Attacker},
    board::{ATTACKERS, Board, Number, Phase, THREADS, WORKERS},
    inventory::{self, Inventory},
    operations::OPERATIONS,
    post::{Post, ROUTES},
    work::{self, World},
};
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork},
};
use std::{
    error::Error,
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::exit,
    thread,
    time::{Duration, Instant},
};

/// How long a thread may take for one operation, and everyone to end. The longest wait that the
/// library documents is two seconds; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs everything, and prints what fails, and a summary. Returns whether nothing failed.
pub(crate) fn run(time: Duration, checks: u64, seed: u64) -> Result<bool, Box<dyn Error>> {
    // Processes that have lost their parent become children of this one.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // All processes inherit the result. Attackers could make the test itself fail.
    owned_memfd::has_cve_2026_63952()?;
    inventory::use_one_heap()?;
    let before = Inventory::now()?;
    let world = World {
        board: Board::new()?,
        post: Post::new()?,
        program: fs::read("/bin/true")?,
        seed,
    };
    let board = &world.board;
    board.set(Number::Senders, (WORKERS * (THREADS - 1)) as u64);
    board.set(Number::Attackers, (ATTACKERS * THREADS) as u64);

    let start = Instant::now();
    let mut crowd = Crowd {
        board,
        children: Vec::new(),
        failures: Vec::new(),
    };
    for worker in 0..WORKERS {
        let name = format!("worker {worker}");
        crowd.start(name, || work::run(&world, worker))?;
    }
    for attacker in 0..ATTACKERS {
        let name = format!("attacker {attacker}");
        crowd.start(name, || attack(&world, attacker))?;
    }
    crowd.watch(start, time, checks)?;
    let mut failures = crowd.failures;
    if board.phase() != Phase::Failed {
        failures.extend(judge(board));
    }
    let messages = (0..ROUTES).map(|route| board.get(Number::Received(route)));
    let summary = format!(
        "everyone: {} s, {} processes, {} threads, {} signals, {} checks of {} maps, {} messages",
        start.elapsed().as_secs(),
        WORKERS + ATTACKERS,
        (WORKERS + ATTACKERS) * THREADS,
        board.get(Number::Signals),
        board.get(Number::Checks),
        board.get(Number::Maps),
        messages.sum::<u64>(),
    );
    drop(world);
    failures.extend(before.difference(&Inventory::now()?));
    failures.extend(no_process_is_left()?);
    for failure in &failures {
        eprintln!("everyone: {failure}");
    }
    println!("{summary}, {} failures, seed {seed:#x}", failures.len());
    Ok(failures.is_empty())
}

/// The threads of an attacker.
fn attack(world: &World, attacker: usize) -> Outcome {
    let board = &world.board;
    thread::scope(|scope| {
        let thread = |thread| {
            let number = (WORKERS + attacker) * THREADS + thread;
            let rng = fastrand::Rng::with_seed(world.seed ^ ((number as u64 + 1) << 32));
            scope.spawn(move || {
                let attacker = Attacker::new(board, &world.post, rng);
                let result = attacker.map(|mut attacker| attacker.attack_until_the_end());
                board.take_one(Number::Attackers);
                result.map_err(|errno| errno.to_string())
            })
        };
        let threads: Vec<_> = (0..THREADS).map(thread).collect();
        for thread in threads {
            thread
                .join()
                .map_err(|_| "a thread panicked".to_owned())??;
        }
        Ok(())
    })
}

struct Crowd<'a> {
    board: &'a Board,
    children: Vec<(Pid, String)>,
    failures: Vec<String>,
}

impl Crowd<'_> {
    fn start(&mut self, name: String, run: impl FnOnce() -> Outcome) -> nix::Result<()> {
        let pid = child(|| {
            let result = run();
            if let Err(error) = &result {
                eprintln!("everyone: {name}: {error}");
                self.board.enter(Phase::Failed);
            }
            result.is_ok()
        })?;
        self.children.push((pid, name));
        Ok(())
    }

    /// Waits for all. Ends the work when it is time, and everything has happened.
    fn watch(&mut self, start: Instant, time: Duration, checks: u64) -> nix::Result<()> {
        let mut seen = vec![(0, start); WORKERS * THREADS];
        let mut end = None;
        while !self.children.is_empty() {
            thread::sleep(Duration::from_millis(20));
            self.reap()?;
            // A busy machine gets more time.
            let is_enough =
                || self.board.get(Number::Checks) >= checks && missing(self.board).is_empty();
            if start.elapsed() >= time && (start.elapsed() >= 3 * time || is_enough()) {
                self.board.enter(Phase::End);
            }
            if self.board.phase() == Phase::Work {
                self.watch_threads(&mut seen);
            } else if end.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                self.give_up("not everyone ends");
            }
        }
        if self.board.get(Number::Checks) < checks {
            self.failures.push(format!("fewer than {checks} checks"));
        }
        Ok(())
    }

    fn watch_threads(&mut self, seen: &mut [(u64, Instant)]) {
        for (thread, (steps, since)) in seen.iter_mut().enumerate() {
            let now = self.board.get(Number::Steps(thread));
            if now != *steps {
                (*steps, *since) = (now, Instant::now());
            } else if since.elapsed() > PATIENCE {
                self.give_up(&format!("thread {thread} hangs"));
                return;
            }
        }
    }

    /// Ends all that this process has started, and says what they were doing.
    fn give_up(&mut self, failure: &str) {
        let doing = (0..WORKERS * THREADS).map(|thread| {
            let doing = usize::try_from(self.board.get(Number::Doing(thread))).ok();
            let operation = doing.and_then(|doing| OPERATIONS.get(doing));
            operation.map_or("receive", |operation| operation.0)
        });
        let doing = doing.collect::<Vec<_>>().join(", ");
        self.failures
            .push(format!("{failure}; the threads were at: {doing}"));
        self.board.enter(Phase::Failed);
        for (pid, _) in self.children.drain(..) {
            // Each is a child that has not been waited for, so the number is still its own.
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }

    /// Takes note of who has ended.
    fn reap(&mut self) -> nix::Result<()> {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return Ok(()),
                status => status?,
            };
            let child = self
                .children
                .iter()
                .position(|child| Some(child.0) == status.pid());
            let name = child.map(|child| self.children.swap_remove(child).1);
            if name.is_none() || !matches!(status, WaitStatus::Exited(_, 0)) {
                self.board.enter(Phase::Failed);
                let name = name.unwrap_or_else(|| "a process that a worker has left".to_owned());
                self.failures.push(format!("{name}: {status:?}"));
            }
        }
    }
}

/// Starts a child that runs this, and does not outlive this process.
fn child(run: impl FnOnce() -> bool) -> nix::Result<Pid> {
    forked(|| {
        let kill = Some(rustix::process::Signal::KILL);
        rustix::process::set_parent_process_death_signal(kill).is_ok() && run()
    })
}

fn forked(run: impl FnOnce() -> bool) -> nix::Result<Pid> {
    // SAFETY: this process has one thread, so the child may do whatever this one may.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => exit(i32::from(!run())),
    }
}

/// What everyone has done, together, at the end.
fn judge(board: &Board) -> Vec<String> {
    let mut failures = missing(board);
    for route in 0..ROUTES {
        let sent = board.get(Number::Sent(route));
        let received = board.get(Number::Received(route));
        let sums = [Number::SentSum(route), Number::ReceivedSum(route)].map(|sum| board.get(sum));
        if sent == 0 || sent != received || sums[0] != sums[1] {
            failures.push(format!(
                "on route {route}, {sent} messages were sent and {received} received: {sums:x?}"
            ));
        }
    }
    let [ledger, entries] = [Number::Ledger, Number::Entries].map(|number| board.get(number));
    if ledger != entries {
        failures.push(format!("{entries} were counted under a lock as {ledger}"));
    }
    for attack in Attack::ALL {
        if board.get(Number::Landed(attack)) == 0 && is_forbidden(board, attack) {
            println!("  skipped, not allowed to write memory of other processes: {attack:?}");
        }
    }
    failures
}

/// What must have happened, so that the run says something, and has not.
fn missing(board: &Board) -> Vec<String> {
    let mut missing = Vec::new();
    for (index, (name, ..)) in OPERATIONS.iter().enumerate() {
        if board.get(Number::Done(index)) == 0 {
            missing.push(format!("{name} was never done"));
        }
    }
    if board.get(Number::Interrupted) == 0 {
        missing.push("no call was interrupted".to_owned());
    }
    if board.get(Number::Noticed) == 0 {
        missing.push("no change was noticed of a file that can change".to_owned());
    }
    for attack in Attack::ALL {
        let changes_nothing = attack == Attack::DirtyPipe && board.get(Number::Tried(attack)) > 0;
        let has_landed = board.get(Number::Landed(attack)) > 0;
        if !has_landed && !changes_nothing && !is_forbidden(board, attack) {
            missing.push(format!("{attack:?} has changed no file that can change"));
        }
    }
    missing
}

/// Whether the kernel has forbidden each attack of this kind, as it may between processes.
fn is_forbidden(board: &Board, attack: Attack) -> bool {
    let tried = board.get(Number::Tried(attack));
    attack.is_on_memory() && tried > 0 && tried == board.get(Number::Forbidden(attack))
}

/// Whether this process has no child left, after it is clear that one would be found.
fn no_process_is_left() -> Result<Option<String>, Box<dyn Error>> {
    let has_child = || match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Err(Errno::ECHILD) => Ok(false),
        status => status.map(|_| true),
    };
    if has_child()? {
        return Ok(Some("a process is left".to_owned()));
    }
    // A process that its parent leaves, until it gets a byte.
    let (mut here, mut there) = UnixStream::pair()?;
    let parent = child(|| forked(|| there.read_exact(&mut [0]).is_ok()).is_ok())?;
    waitpid(parent, None)?;
    let is_found = has_child()?;
    here.write_all(&[0])?;
    waitpid(None, None)?;
    Ok((!is_found).then(|| "a process that is left is not found".to_owned()))
}
