//! Measures several ways to do one job in one run: in rounds, each way once a round, in another
//! order each time. What disturbs the machine then disturbs all of them, and a ratio is one of
//! times that were taken within the same round.

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

pub(crate) type Failure = Box<dyn Error>;

/// Does a job so many times, and returns how long that took.
pub(crate) type Run<'a> = Box<dyn FnMut(u32) -> Result<Duration, Failure> + 'a>;

/// One way to do a job.
pub(crate) struct Way<'a> {
    pub(crate) name: &'static str,
    /// Whether it uses this crate.
    pub(crate) ours: bool,
    pub(crate) run: Run<'a>,
}

pub(crate) fn ours<'a>(
    name: &'static str,
    run: impl FnMut(u32) -> Result<Duration, Failure> + 'a,
) -> Way<'a> {
    let run = Box::new(run);
    Way {
        name,
        ours: true,
        run,
    }
}

pub(crate) fn peer<'a>(
    name: &'static str,
    run: impl FnMut(u32) -> Result<Duration, Failure> + 'a,
) -> Way<'a> {
    let run = Box::new(run);
    Way {
        name,
        ours: false,
        run,
    }
}

/// Times all runs together: for what takes little more than asking for the time.
pub(crate) fn together<T>(
    times: u32,
    mut run: impl FnMut() -> Result<T, Failure>,
) -> Result<Duration, Failure> {
    let start = Instant::now();
    for _ in 0..times {
        black_box(run()?);
    }
    Ok(start.elapsed())
}

/// Times each run by itself, without `prepare` and without dropping the result.
pub(crate) fn apart<P, T>(
    times: u32,
    mut prepare: impl FnMut() -> Result<P, Failure>,
    mut run: impl FnMut(P) -> Result<T, Failure>,
) -> Result<Duration, Failure> {
    let mut time = Duration::ZERO;
    for _ in 0..times {
        let prepared = prepare()?;
        let start = Instant::now();
        let result = run(prepared)?;
        time += start.elapsed();
        black_box(result);
    }
    Ok(time)
}

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// How long one way runs in one round, at least.
    pub(crate) batch: Duration,
    /// How long a job of one size runs, if the rounds allow.
    pub(crate) row: Duration,
    pub(crate) fewest: usize,
    pub(crate) most: usize,
}

impl Effort {
    pub(crate) const DEFAULT: Self = Self {
        batch: Duration::from_millis(2),
        row: Duration::from_secs(2),
        fewest: 15,
        most: 201,
    };
    pub(crate) const QUICK: Self = Self {
        batch: Duration::from_micros(500),
        row: Duration::from_millis(150),
        fewest: 5,
        most: 51,
    };
}

/// One way's times: nanoseconds for doing the job once, one for each round.
pub(crate) struct Times {
    pub(crate) name: &'static str,
    pub(crate) ours: bool,
    pub(crate) rounds: Vec<f64>,
}

impl Times {
    pub(crate) fn median(&self) -> f64 {
        Spread::of(self.rounds.iter().copied()).median
    }
}

/// A median between its quartiles.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
        Self {
            low: at(1),
            median: at(2),
            high: at(3),
        }
    }
}

/// A job of one size, measured.
pub(crate) struct Row {
    pub(crate) size: usize,
    pub(crate) goal: Option<f64>,
    pub(crate) ways: Vec<Times>,
    /// What else is to be said of it.
    pub(crate) note: String,
}

impl Row {
    /// The way of ours, or of the peers, with the least median.
    pub(crate) fn fastest(&self, ours: bool) -> Option<&Times> {
        self.ways
            .iter()
            .filter(|way| way.ours == ours)
            .min_by(|a, b| a.median().total_cmp(&b.median()))
    }

    /// The time of the fastest peer divided by that of our fastest way, round by round.
    pub(crate) fn ratio(&self) -> Option<Spread> {
        let (ours, peer) = (self.fastest(true)?, self.fastest(false)?);
        let ratios = peer.rounds.iter().zip(&ours.rounds).map(|(p, o)| p / o);
        Some(Spread::of(ratios))
    }
}

/// Measures all ways to do one job of this size.
pub(crate) fn measure(
    size: usize,
    goal: Option<f64>,
    mut ways: Vec<Way<'_>>,
    effort: Effort,
) -> Result<Row, Failure> {
    let mut times: Vec<Times> = ways
        .iter()
        .map(|way| Times {
            name: way.name,
            ours: way.ours,
            rounds: Vec::new(),
        })
        .collect();
    let mut batches = Vec::new();
    for way in &mut ways {
        batches.push(batch(way, effort).map_err(|error| format!("{}: {error}", way.name))?);
    }
    let mut order: Vec<usize> = (0..ways.len()).collect();
    let start = Instant::now();
    for round in 0..effort.most {
        if round >= effort.fewest && start.elapsed() > effort.row {
            break;
        }
        fastrand::shuffle(&mut order);
        for &index in &order {
            let way = &mut ways[index];
            let time =
                (way.run)(batches[index]).map_err(|error| format!("{}: {error}", way.name))?;
            let each = time.as_secs_f64() * 1e9 / f64::from(batches[index]);
            times[index].rounds.push(each);
        }
    }
    Ok(Row {
        size,
        goal,
        ways: times,
        note: String::new(),
    })
}

/// How often a way runs in a round. Finding that out also warms it up.
fn batch(way: &mut Way<'_>, effort: Effort) -> Result<u32, Failure> {
    let mut times = 1;
    loop {
        let time = (way.run)(times)?;
        if time >= effort.batch || times >= 1 << 20 {
            return Ok(times);
        }
        times *= 2;
    }
}
