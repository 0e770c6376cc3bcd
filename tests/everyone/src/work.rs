//! A process that uses files: threads that do operations in a random order, hold what they have
//! proven, and compare it all the time.

use crate::{
    Outcome,
    board::{Board, Number, Phase, THREADS},
    inventory::{self, Inventory},
    operations::{self, OPERATIONS},
    pattern,
    post::{Post, ROUTES},
    storm,
};
use owned_memfd::{MemFdOptions, OwnedMemFd, SealedMap, SealedMemFd, Seals, SharedMapMut};
use std::{hint::black_box, sync::atomic::Ordering::Relaxed, thread, time::Duration};

/// What all processes have.
pub(crate) struct World {
    pub(crate) board: Board,
    pub(crate) post: Post,
    /// A program that ends at once, successfully.
    pub(crate) program: Vec<u8>,
    pub(crate) seed: u64,
}

/// A sealed file, a map of it, and what it held when it was proven.
pub(crate) struct Held {
    pub(crate) file: SealedMemFd,
    pub(crate) map: SealedMap,
    pub(crate) expected: Vec<u8>,
}

impl Held {
    pub(crate) fn new(file: SealedMemFd) -> Outcome<Self> {
        let map = file.map().map_err(|errno| format!("mapping: {errno}"))?;
        let expected = map.to_vec();
        Ok(Self {
            file,
            map,
            expected,
        })
    }

    /// Compares the whole map. The compiler knows that it cannot change, so it is told nothing.
    pub(crate) fn check(&self) -> Outcome {
        pattern::compare(black_box(&self.map), &self.expected)
    }
}

/// A file that can change, and what it held. If the attackers do not change it, they are none; if
/// the comparison does not show it, it is none.
struct Decoy {
    map: SharedMapMut,
    expected: Vec<u8>,
}

impl Decoy {
    const LEN: usize = 3 * 4096;

    /// Also returns its descriptor, by which the attackers find it.
    fn new(number: u32) -> Outcome<(Self, OwnedMemFd)> {
        let make = || -> Result<_, Box<dyn std::error::Error>> {
            let expected = pattern::content(number, Self::LEN);
            let file = MemFdOptions::new().create(c"decoy")?;
            file.write_all_at(&expected, 0)?;
            // Before an attacker adds others: it stays as long, and nobody can seal it.
            file.add_seals(Seals::SHRINK | Seals::SEAL)?;
            let map = file.map_shared_mut(..Self::LEN)?;
            Ok((Self { map, expected }, file))
        };
        make().map_err(|error| format!("the decoy: {error}"))
    }

    /// Whether it has changed since this was called last.
    fn has_changed(&mut self) -> Outcome<bool> {
        let mut found = vec![0; Self::LEN];
        let read = self.map.read_exact_at(&mut found, 0);
        read.map_err(|error| format!("the decoy: {error}"))?;
        let changed = pattern::compare(&found, &self.expected).is_err();
        self.expected = found;
        Ok(changed)
    }
}

/// A thread of a worker.
pub(crate) struct Thread<'a> {
    pub(crate) world: &'a World,
    pub(crate) rng: fastrand::Rng,
    pub(crate) held: Vec<Held>,
    number: usize,
    steps: u64,
}

impl<'a> Thread<'a> {
    fn new(world: &'a World, number: usize) -> Self {
        let seed = world.seed ^ ((number as u64 + 1) << 32);
        Self {
            world,
            rng: fastrand::Rng::with_seed(seed),
            held: Vec::new(),
            number,
            steps: 0,
        }
    }

    pub(crate) fn board(&self) -> &'a Board {
        &self.world.board
    }

    /// Holds a file for a while, to compare it again and again.
    pub(crate) fn hold(&mut self, file: SealedMemFd) -> Outcome {
        const MOST: usize = 12;
        const MOST_BYTES: usize = 5 << 20;

        self.held.push(Held::new(file)?);
        self.board().add(Number::Maps, 1);
        let bytes = |held: &[Held]| held.iter().map(|held| held.map.len()).sum::<usize>();
        while self.held.len() > MOST || bytes(&self.held) > MOST_BYTES {
            let one = self.rng.usize(..self.held.len());
            let Held { file, map, .. } = self.held.swap_remove(one);
            // Either goes first.
            if self.rng.bool() {
                drop(file);
            } else {
                drop(map);
            }
        }
        Ok(())
    }

    /// Compares everything that is held; what is large, only now and then.
    fn check(&mut self) -> Outcome {
        const LARGE: usize = 64 << 10;

        let with_large = self.rng.u8(..16) == 0;
        let mut checks = 0;
        for held in &self.held {
            if with_large || held.map.len() < LARGE {
                held.check()?;
                checks += 1;
            }
        }
        self.board().add(Number::Checks, checks);
        Ok(())
    }

    /// Says that this thread is alive, and what it does.
    fn goes_on(&mut self, doing: usize) {
        self.steps += 1;
        self.board().set(Number::Doing(self.number), doing as u64);
        self.board().set(Number::Steps(self.number), self.steps);
    }

    fn work(&mut self) -> Outcome {
        while self.board().phase() == Phase::Work {
            let operation = operations::choose(&mut self.rng);
            self.goes_on(operation);
            let (name, _, run) = OPERATIONS[operation];
            if run(self).map_err(|error| format!("{name}: {error}"))? {
                self.board().add(Number::Done(operation), 1);
            }
            self.check()
                .map_err(|error| format!("after {name}: {error}"))?;
        }
        Ok(())
    }

    /// Receives, also what is left when nobody sends any more.
    fn receive(&mut self) -> Outcome {
        loop {
            let last = self.board().get(Number::Senders) == 0;
            let mut nothing = true;
            for route in 0..ROUTES {
                self.goes_on(OPERATIONS.len());
                let patient = self.rng.bool();
                for file in self.world.post.receive(self.board(), route, patient)? {
                    nothing = false;
                    self.hold(file)?;
                }
            }
            self.check()
                .map_err(|error| format!("after receiving: {error}"))?;
            if (last && nothing) || self.board().phase() == Phase::Failed {
                return Ok(());
            }
        }
    }
}

/// A worker, until its end. It has been forked, and has no other thread.
pub(crate) fn run(world: &World, worker: usize) -> Outcome {
    let board = &world.board;
    let error = |error: &dyn ToString| error.to_string();
    storm::prepare().map_err(|no| error(&no))?;
    // The first threads have the C library reserve stacks, which later threads use again.
    thread::scope(|scope| {
        let warm = scope.spawn(|| threads(world, worker, |_| Ok(())));
        warm.join().map_err(|_| "a thread panicked")?
    })?;
    let before = Inventory::now().map_err(|no| error(&no))?;

    // Before there is an attacker's way to it: the number of the process is not known.
    let (mut decoy, file) = Decoy::new(u32::MAX)?;
    let content = pattern::content(u32::MAX - 1, 3 * 4096);
    let sealed = SealedMemFd::copy_from_slice(c"standing", &content);
    let standing = Held::new(sealed.map_err(|no| error(&no))?)?;
    board.set(Number::OpenMap(worker), decoy.map.as_ptr().addr() as u64);
    // A private map can be changed by a debugger, as is documented. Only some kernels make one.
    if inventory::is_shared(&standing.map).map_err(|no| error(&no))? {
        board.set(
            Number::SealedMap(worker),
            standing.map.as_ptr().addr() as u64,
        );
    }
    board.set(Number::Pid(worker), u64::from(std::process::id()));

    let result = thread::scope(|scope| {
        let workers = scope.spawn(|| threads(world, worker, begin));
        let mut watched = Ok(());
        while !workers.is_finished() || board.get(Number::Attackers) > 0 {
            if watched.is_ok() {
                watched = watch(board, &standing, &mut decoy);
            }
            if watched.is_err() {
                board.enter(Phase::Failed);
            }
            thread::sleep(Duration::from_millis(1));
        }
        let result = workers.join().map_err(|_| "a thread panicked")?;
        watched.and(result)
    });
    board.add(Number::Signals, storm::SIGNALS.load(Relaxed));
    result?;
    drop((decoy, file, standing));
    left_nothing(&before)
}

/// What the first thread of a process does meanwhile.
fn watch(board: &Board, standing: &Held, decoy: &mut Decoy) -> Outcome {
    standing.check()?;
    board.add(Number::Checks, 1);
    board.add(Number::Noticed, u64::from(decoy.has_changed()?));
    Ok(())
}

/// The first thread of a process receives, and the others do everything else.
fn begin(thread: &mut Thread) -> Outcome {
    let storm = storm::on_this_thread().map_err(|error| error.to_string())?;
    let board = thread.board();
    let result = if thread.number % THREADS == 0 {
        thread.receive()
    } else {
        let result = thread.work();
        board.take_one(Number::Senders);
        result
    };
    if result.is_err() {
        board.enter(Phase::Failed);
    }
    drop(storm);
    result
}

/// Runs this in each thread of a worker at once.
fn threads(world: &World, worker: usize, run: impl Fn(&mut Thread) -> Outcome + Sync) -> Outcome {
    thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let number = worker * THREADS + thread;
                scope.spawn(move || run(&mut Thread::new(world, number)))
            })
            .collect();
        for thread in threads {
            thread
                .join()
                .map_err(|_| "a thread panicked".to_owned())??;
        }
        Ok(())
    })
}

/// Compares what the process has with what it had, and sees to it that something left would be
/// found.
fn left_nothing(before: &Inventory) -> Outcome {
    let left = || -> Outcome<Option<String>> {
        let after = Inventory::now().map_err(|error| error.to_string())?;
        Ok(before.difference(&after))
    };
    if let Some(left) = left()? {
        return Err(left);
    }
    let file = SealedMemFd::copy_from_slice(c"left", b"left");
    let Held { file, map, .. } = Held::new(file.map_err(|error| error.to_string())?)?;
    if left()?.is_none() {
        return Err("a descriptor and a map that are left are not found".to_owned());
    }
    drop(file);
    if left()?.is_none() {
        return Err("a map that is left is not found".to_owned());
    }
    drop(map);
    Ok(())
}
