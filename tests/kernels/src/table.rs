//! The table of what became of which claim on which machine.

use crate::judge::Outcome;
use std::{collections::HashMap, fmt};

/// A column for each machine that ran claims.
#[derive(Default)]
pub struct Table {
    columns: Vec<(String, Vec<(String, Outcome)>)>,
}

impl Table {
    /// Adds the column of a machine.
    pub fn add(&mut self, title: String, outcomes: Vec<(String, Outcome)>) {
        self.columns.push((title, outcomes));
    }
}

/// A row for each claim that has not passed wherever it ran, with a letter for each reason.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.columns.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "+ passed, a letter: skipped, with !: failed, and why below; nothing: not asked there"
        )?;
        for (index, (title, _)) in self.columns.iter().enumerate() {
            let number = index + 1;
            writeln!(f, "{number:>width$} {title}", width = 4 * number)?;
        }

        let mut marks = Marks::default();
        let mut rows: Vec<Row> = Vec::new();
        let mut places = HashMap::new();
        for (column, (_, outcomes)) in self.columns.iter().enumerate() {
            for (claim, outcome) in outcomes {
                let place = *places.entry(claim).or_insert_with(|| {
                    rows.push(Row {
                        claim,
                        cells: vec![String::new(); self.columns.len()],
                        passed: true,
                    });
                    rows.len() - 1
                });
                let row = &mut rows[place];
                row.passed &= *outcome == Outcome::Passed;
                row.cells[column] = marks.of(outcome);
            }
        }
        for row in rows.iter().filter(|row| !row.passed) {
            for cell in &row.cells {
                write!(f, "{cell:>4}")?;
            }
            writeln!(f, "  {}", row.claim)?;
        }
        let everywhere = rows.iter().filter(|row| row.passed).count();
        writeln!(
            f,
            "{:width$}  {everywhere} others passed wherever they were asked for",
            "",
            width = 4 * self.columns.len()
        )?;
        for (index, reason) in marks.reasons.iter().enumerate() {
            writeln!(f, "{:>4} {reason}", letters(index))?;
        }
        Ok(())
    }
}

struct Row<'a> {
    claim: &'a str,
    cells: Vec<String>,
    passed: bool,
}

/// The reasons, in the order of their letters.
#[derive(Default)]
struct Marks {
    reasons: Vec<String>,
}

impl Marks {
    /// What stands in a cell.
    fn of(&mut self, outcome: &Outcome) -> String {
        let (sign, reason) = match outcome {
            Outcome::Passed => return "+".to_owned(),
            Outcome::Skipped(reason) => ("", format!("skipped: {reason}")),
            Outcome::Failed(reason) => ("!", format!("FAILED: {reason}")),
        };
        let known = self.reasons.iter().position(|known| *known == reason);
        let index = known.unwrap_or_else(|| {
            self.reasons.push(reason);
            self.reasons.len() - 1
        });
        format!("{sign}{}", letters(index))
    }
}

/// `a` to `z`, then `aa` to `az`, `ba`, and so on.
fn letters(index: usize) -> String {
    let letter = |index: usize| char::from(b'a' + u8::try_from(index % 26).unwrap_or_default());
    match index / 26 {
        0 => letter(index).to_string(),
        tens => format!("{}{}", letter(tens - 1), letter(index)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_without_machines_is_empty() {
        assert_eq!(Table::default().to_string(), "");
    }

    #[test]
    fn rows_are_claims_that_did_not_pass_everywhere() {
        let outcome = |claim: &str, outcome| (claim.to_owned(), outcome);
        let skipped = Outcome::Skipped("too old".to_owned());
        let failed = Outcome::Failed("is 1".to_owned());
        let mut table = Table::default();
        table.add(
            "x86_64-6.1, 6.1.0-50".to_owned(),
            vec![
                outcome("io::reads", Outcome::Passed),
                outcome("io::writes", Outcome::Passed),
                outcome("exec::runs", skipped.clone()),
            ],
        );
        table.add(
            "arm64-6.12, 6.12.1".to_owned(),
            vec![
                outcome("io::reads", Outcome::Passed),
                outcome("io::writes", failed),
                outcome("io::seeks", skipped),
            ],
        );
        let expected = "\
+ passed, a letter: skipped, with !: failed, and why below; nothing: not asked there
   1 x86_64-6.1, 6.1.0-50
       2 arm64-6.12, 6.12.1
   +  !b  io::writes
   a      exec::runs
       a  io::seeks
          1 others passed wherever they were asked for
   a skipped: too old
   b FAILED: is 1
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn there_are_letters_for_many_reasons() {
        assert_eq!(
            [0, 25, 26, 51, 52, 701].map(letters),
            ["a", "z", "aa", "az", "ba", "zz"]
        );
    }
}
