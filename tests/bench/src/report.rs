//! The tables and the chart.

use crate::{
    jobs::Job,
    measure::{Failure, Row, Times},
};
use plotters::prelude::*;
use std::path::Path;

/// What is said before the tables.
const HEAD: &str = "\
# Measurements

By `ci/bench.sh`, in which all ways to do a job take turns in one run, in another order each round.

A ratio is the time of the fastest peer divided by the time of our fastest way in the same round:
**above 1 ours is faster**. It is the median of all rounds, with the quartiles in brackets. A time
is the median for doing the job once. The fastest of each side is bold.
";

pub(crate) fn markdown(
    machine: &[String],
    noise: &str,
    quick: bool,
    measured: &[(&Job, Vec<Row>)],
) -> String {
    let mut lines = vec![HEAD.to_owned()];
    if quick {
        lines.push("This was a smoke run: the numbers mean little.\n".into());
    }
    lines.extend(machine.iter().map(|line| format!("- {line}")));
    lines.push(format!("- {noise}\n\n![The ratios](results.svg)"));
    for (job, rows) in measured {
        lines.push(format!("\n## {}\n\n{}\n", job.title, job.about));
        lines.extend(table(rows));
    }
    lines.join("\n") + "\n"
}

fn table(rows: &[Row]) -> Vec<String> {
    let Some(first) = rows.first() else {
        return Vec::new();
    };
    let noted = rows.iter().any(|row| !row.note.is_empty());
    let mut head = vec!["size".to_owned(), "goal".into(), "ratio".into()];
    let side = |way: &Times| if way.ours { "ours" } else { "peer" };
    head.extend(
        first
            .ways
            .iter()
            .map(|way| format!("{}: {}", side(way), way.name)),
    );
    if noted {
        head.push("calls of ours, of the peer".into());
    }
    let rule = vec!["---".to_owned(); head.len()];
    let mut lines = vec![line(&head), line(&rule)];
    for row in rows {
        let goal = row.goal.map(|goal| goal.to_string());
        let ratio = row.ratio().map(|ratio| {
            let (low, median, high) = (ratio.low, ratio.median, ratio.high);
            format!("**{median:.2}** [{low:.2}, {high:.2}]")
        });
        let mut cells = vec![
            size(row.size),
            goal.unwrap_or_default(),
            ratio.unwrap_or_default(),
        ];
        for way in &row.ways {
            let best = row.fastest(way.ours);
            let time = time(way.median());
            cells.push(match best {
                Some(best) if best.name == way.name => format!("**{time}**"),
                _ => time,
            });
        }
        if noted {
            cells.push(row.note.clone());
        }
        lines.push(line(&cells));
    }
    lines
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

fn size(bytes: usize) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn time(nanoseconds: f64) -> String {
    let (unit, value) = match nanoseconds {
        ..1e3 => ("ns", nanoseconds),
        ..1e6 => ("µs", nanoseconds / 1e3),
        _ => ("ms", nanoseconds / 1e6),
    };
    let digits = match value {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// The ratios of each job over the sizes, with their quartiles and goals.
pub(crate) fn chart(path: &Path, measured: &[(&Job, Vec<Row>)]) -> Result<(), Failure> {
    const COLUMNS: usize = 3;
    let charted: Vec<_> = measured.iter().filter(|(_, rows)| rows.len() > 1).collect();
    let lines = charted.len().div_ceil(COLUMNS);
    let height = u32::try_from(lines)? * 240;
    let root = SVGBackend::new(path, (1080, height)).into_drawing_area();
    root.fill(&WHITE)?;
    for (area, (job, rows)) in root.split_evenly((lines, COLUMNS)).iter().zip(charted) {
        panel(area, job, rows)?;
    }
    root.present()?;
    Ok(())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(area: &Area<'_>, job: &Job, rows: &[Row]) -> Result<(), Failure> {
    // One step a size.
    let last = i32::try_from(rows.len())? - 1;
    let mut chart = ChartBuilder::on(area)
        .caption(job.title, ("sans-serif", 14))
        .margin(8)
        .margin_right(24)
        .x_label_area_size(28)
        .y_label_area_size(34)
        .build_cartesian_2d(0..last, (0.1_f64..10.0).log_scale())?;
    let sizes: Vec<String> = rows.iter().map(|row| size(row.size)).collect();
    chart
        .configure_mesh()
        .x_labels(rows.len())
        .x_label_formatter(&|index| {
            let index = usize::try_from(*index).ok();
            index
                .and_then(|index| sizes.get(index).cloned())
                .unwrap_or_default()
        })
        .y_label_formatter(&|ratio| format!("{ratio}"))
        .label_style(("sans-serif", 9))
        .light_line_style(TRANSPARENT)
        .draw()?;
    chart.draw_series(LineSeries::new([(0, 1.0), (last, 1.0)], BLACK))?;
    let spreads = || {
        (0..)
            .zip(rows)
            .filter_map(|(x, row)| Some((x, row.ratio()?)))
    };
    let goals = (0..).zip(rows).filter_map(|(x, row)| Some((x, row.goal?)));
    chart.draw_series(goals.map(|at| Cross::new(at, 3, RED)))?;
    chart.draw_series(LineSeries::new(
        spreads().map(|(x, ratio)| (x, ratio.median)),
        BLUE,
    ))?;
    chart.draw_series(spreads().map(|(x, ratio)| {
        ErrorBar::new_vertical(x, ratio.low, ratio.median, ratio.high, BLUE.filled(), 4)
    }))?;
    Ok(())
}
