//! Measures owned-memfd against other crates that do the same job; see ci/bench.sh.

mod content;
mod jobs;
mod machine;
mod measure;
mod ours;
mod peers;
mod report;
mod ring;
mod second;

use jobs::Job;
use measure::{Failure, Row};
use std::{env, fs, path::Path, process::ExitCode, time::Instant};

/// Other programs may use so much of a core, in percent, before the numbers are in doubt.
const QUIET: f64 = 5.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["--second", role, name, size, core] => second::run(role, name, size, core),
        ["--map-once", ours, size] => map_once(ours, size),
        ["--pictures", directory] => report::pictures(Path::new(directory)),
        [directory, ref what @ ..] => run(Path::new(directory), what),
        [] => Err("usage: bench DIRECTORY [--quick] [--pool] [WORD]...".into()),
    };
    if let Err(error) = result {
        eprintln!("bench: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn map_once(ours: &str, size: &str) -> Result<(), Failure> {
    jobs::map_once(ours.parse()?, size.parse()?)
}

/// Measures, prints the tables, and writes them and a chart into the directory. Words are looked
/// for in the titles of the jobs.
fn run(directory: &Path, what: &[&str]) -> Result<(), Failure> {
    let (options, words): (Vec<&str>, Vec<&str>) =
        what.iter().partition(|argument| argument.starts_with("--"));
    let quick = options.contains(&"--quick");
    let pool = options.contains(&"--pool");
    let machine = machine::describe()?;
    let load = machine::load()?;
    if load > 0.5 {
        eprintln!("warning: the machine is busy, its load is {load}");
    }
    let cores = machine::cores()?;
    machine::pin(*cores.first().ok_or("this needs a core")?)?;
    let others = machine::Others::watch()?;
    let start = Instant::now();
    let pooled = if pool { &jobs::WITH_POOL[..] } else { &[] };
    let mut measured: Vec<(&Job, Vec<Row>)> = Vec::new();
    for job in jobs::JOBS.iter().chain(pooled) {
        let title = job.title.to_lowercase();
        if !words.is_empty() && !words.iter().any(|word| title.contains(word)) {
            continue;
        }
        eprintln!("{} …", job.title);
        measured.push((job, job.rows(quick)?));
    }
    if measured.is_empty() {
        return Err("no job has such a title".into());
    }
    let percent = others.percent(start.elapsed().as_secs_f64())?;
    let noise = format!("other programs used {percent:.0} % of a core meanwhile");
    if percent > QUIET {
        eprintln!("warning: the machine was busy: {noise}");
    }
    let markdown = report::markdown(&machine, &noise, quick, &measured);
    print!("{markdown}");
    fs::write(directory.join("results.md"), markdown)?;
    report::pictures(directory)
}
