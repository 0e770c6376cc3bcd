//! The tables, and what is made from them: a chart, and a summary.

use crate::{
    jobs::Job,
    measure::{Failure, Row, Spread, Times},
};
use plotters::prelude::*;
use std::{fs, path::Path};

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
    lines.push(format!("- {noise}\n\n![The ratios](results.svg)\n\nBlue is the ratio with its quartiles, a red cross the goal."));
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

/// Draws the charts and makes the summary from the tables in this directory, and writes them there.
pub(crate) fn pictures(directory: &Path) -> Result<(), Failure> {
    let told = Told::read(&fs::read_to_string(directory.join("results.md"))?);
    fs::write(directory.join("results.svg"), chart(&told)?)?;
    // Not all jobs are in it if words have chosen some.
    if let Some(lines) = summary(&told) {
        fs::write(directory.join("summary.md"), brief(&lines))?;
        fs::write(directory.join("summary.svg"), bars(&lines))?;
    }
    Ok(())
}

/// What the tables say of a job.
struct Told {
    title: String,
    rows: Vec<ToldRow>,
}

struct ToldRow {
    size: String,
    goal: Option<f64>,
    ratio: Spread,
    /// The fastest of each side, with its time.
    ours: String,
    peer: String,
}

impl Told {
    /// Reads what `markdown` has written.
    fn read(markdown: &str) -> Vec<Self> {
        let mut told = Vec::new();
        let mut head = Vec::new();
        for line in markdown.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                told.push(Self {
                    title: title.to_owned(),
                    rows: Vec::new(),
                });
                continue;
            }
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            if cells.first() == Some(&"size") {
                head = cells.iter().map(|cell| (*cell).to_owned()).collect();
            } else if let (Some(job), Some(row)) = (told.last_mut(), ToldRow::read(&head, &cells)) {
                job.rows.push(row);
            }
        }
        told
    }
}

impl ToldRow {
    fn read(head: &[String], cells: &[&str]) -> Option<Self> {
        let [size, goal, ratio, ways @ ..] = cells else {
            return None;
        };
        let number = |text: &str| text.trim_matches(['*', '[', ']', ',']).parse().ok();
        let mut numbers = ratio.split(' ').map(number);
        let mut next = || numbers.next().flatten();
        let (median, low, high) = (next()?, next()?, next()?);
        let fastest = |side: &str| {
            head.iter().skip(3).zip(ways).find_map(|(way, time)| {
                let name = way.strip_prefix(side)?;
                let time = time.strip_prefix("**")?.strip_suffix("**")?;
                Some(format!("{name}: {time}"))
            })
        };
        Some(Self {
            size: (*size).to_owned(),
            goal: goal.parse().ok(),
            ratio: Spread { low, median, high },
            ours: fastest("ours: ")?,
            peer: fastest("peer: ")?,
        })
    }
}

/// The jobs of the summary, and what they are called there.
const SUMMARY: [(&str, &str); 5] = [
    ("Fill and seal", "Fill and seal a file"),
    ("Read once, mapped", "Verify, map and read it once"),
    ("Map and unmap", "Map and unmap it"),
    ("Copy into a shared map", "Copy into shared memory"),
    ("Ring of records", "Ring in shared memory, a record"),
];
/// The size that they have in common, besides the smallest of each.
const LARGE: &str = "4 MiB";

/// The rows of these jobs: the smallest and the large one.
fn summary(told: &[Told]) -> Option<Vec<(&'static str, [&ToldRow; 2])>> {
    SUMMARY
        .iter()
        .map(|(title, name)| {
            let rows = &told.iter().find(|job| job.title == *title)?.rows;
            let large = rows.iter().find(|row| row.size == LARGE)?;
            Some((*name, [rows.first()?, large]))
        })
        .collect()
}

fn brief(lines: &[(&str, [&ToldRow; 2])]) -> String {
    let mut text = vec![format!(
        "| | smallest | {LARGE} | owned-memfd at {LARGE} | fastest peer at {LARGE} |\n\
         |---|--:|--:|---|---|"
    )];
    for (name, [small, large]) in lines {
        let (first, ratio) = (small.ratio.median, large.ratio.median);
        let (size, ours, peer) = (&small.size, &large.ours, &large.peer);
        text.push(format!(
            "| {name} | {first:.2} ({size}) | {ratio:.2} | {ours} | {peer} |"
        ));
    }
    text.join("\n") + "\n"
}

/// Follows the reader's choice of light or dark.
const COLORS: &str = "\
<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
text.note { font-size: 11px }
line { stroke: #1f2328 }
rect.faster { fill: #0969da }
rect.slower { fill: #bc4c00 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  line { stroke: #e6edf3 }
  rect.faster { fill: #4493f8 }
  rect.slower { fill: #db6d28 }
}
</style>";

/// The ratios of the summary as bars, to the right of 1 or to the left.
fn bars(lines: &[(&str, [&ToldRow; 2])]) -> String {
    const ONE: f64 = 380.0;
    /// For twice as fast.
    const TWICE: f64 = 90.0;
    let height = 44 + 52 * lines.len();
    let mut svg = vec![format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"{height}\" \
         viewBox=\"0 0 760 {height}\">\n<title>Times as fast as the fastest peer</title>\n{COLORS}"
    )];
    svg.push(format!(
        "<text class=\"note\" x=\"{ONE}\" y=\"16\" text-anchor=\"middle\">\
         slower ← as fast as the fastest peer → faster (logarithmic)</text>"
    ));
    let mut y = 44;
    for (name, rows) in lines {
        svg.push(format!("<text x=\"8\" y=\"{}\">{name}</text>", y + 10));
        for row in rows {
            let ratio = row.ratio.median;
            let length = ratio.log2() * TWICE;
            let (class, left) = if ratio < 1.0 {
                ("slower", ONE + length)
            } else {
                ("faster", ONE)
            };
            let width = length.abs().max(1.0);
            svg.push(format!(
                "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{}\" width=\"{width:.1}\" \
                 height=\"15\"/>\n\
                 <text x=\"{:.1}\" y=\"{y}\">{ratio:.2}×</text>\n\
                 <text class=\"note\" x=\"255\" y=\"{y}\" text-anchor=\"end\">{}</text>",
                y - 12,
                left + width + 6.0,
                row.size
            ));
            y += 20;
        }
        y += 12;
    }
    svg.push(format!(
        "<line x1=\"{ONE}\" y1=\"24\" x2=\"{ONE}\" y2=\"{}\"/>",
        y - 20
    ));
    svg.push("</svg>\n".to_owned());
    svg.join("\n")
}

/// What plotters draws is black, red and blue; these are for a dark background.
const DARK: &str = "
<style>
@media (prefers-color-scheme: dark) {
  [fill=\"#000000\"] { fill: #e6edf3 }
  [stroke=\"#000000\"] { stroke: #e6edf3 }
  [fill=\"#0000FF\"] { fill: #4493f8 }
  [stroke=\"#0000FF\"] { stroke: #4493f8 }
  [stroke=\"#FF0000\"] { stroke: #f85149 }
}
</style>";

/// The ratios of each job over the sizes, with their quartiles and goals.
fn chart(told: &[Told]) -> Result<String, Failure> {
    const COLUMNS: usize = 3;
    let charted: Vec<_> = told.iter().filter(|job| job.rows.len() > 1).collect();
    let lines = charted.len().div_ceil(COLUMNS);
    let height = u32::try_from(lines)? * 240;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (1080, height)).into_drawing_area();
        for (area, job) in root.split_evenly((lines, COLUMNS)).iter().zip(charted) {
            panel(area, job)?;
        }
        root.present()?;
    }
    let (head, drawn) = svg.split_once('>').ok_or("plotters draws no SVG")?;
    Ok(format!("{head}>{DARK}{drawn}"))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn panel(area: &Area<'_>, job: &Told) -> Result<(), Failure> {
    // One step a size.
    let rows = &job.rows;
    let last = i32::try_from(rows.len())? - 1;
    let mut chart = ChartBuilder::on(area)
        .caption(&job.title, ("sans-serif", 16))
        .margin(8)
        .margin_right(24)
        .x_label_area_size(28)
        .y_label_area_size(34)
        .build_cartesian_2d(0..last, (0.1_f64..10.0).log_scale())?;
    chart
        .configure_mesh()
        .x_labels(rows.len())
        .x_label_formatter(&|index| {
            let row = usize::try_from(*index)
                .ok()
                .and_then(|index| rows.get(index));
            // Without its space, so that nine of them stand side by side.
            row.map(|row| row.size.replace(' ', "").replace("iB", ""))
                .unwrap_or_default()
        })
        .y_label_formatter(&|ratio| format!("{ratio}"))
        .label_style(("sans-serif", 13))
        .light_line_style(TRANSPARENT)
        .draw()?;
    chart.draw_series(LineSeries::new([(0, 1.0), (last, 1.0)], BLACK))?;
    let spreads = || (0..).zip(rows.iter().map(|row| row.ratio));
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
