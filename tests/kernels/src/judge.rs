//! Judging a machine by its console: the program prints `ok CLAIM`, `skip CLAIM: REASON` or
//! `FAILED CLAIM: REASON` for each claim.

use crate::qemu::{Console, Ending};
use suite::{init::PASSED, skips};

/// What is reported if every claim passed, but the machine did not end as it should.
const ENDS: &str = "init::the_machine_ends";

/// What became of a claim, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

/// What became of each claim whose name begins with `prefix`, and of whatever else failed.
/// A claim fails if nothing is printed about it, and if it is skipped for a reason that is not
/// allowed on this machine, whose place is given.
pub fn claims(
    claims: &[&str],
    prefix: &str,
    place: &str,
    console: &Console,
) -> Vec<(String, Outcome)> {
    let mut found: Vec<(String, Option<Outcome>)> = claims
        .iter()
        .filter(|claim| claim.starts_with(prefix))
        .map(|claim| ((*claim).to_owned(), None))
        .collect();
    for (claim, outcome) in console.text.lines().filter_map(parse) {
        match found.iter_mut().find(|(name, _)| name == claim) {
            // A failure stands, whatever a process that should have ended prints after it.
            Some((_, Some(Outcome::Failed(_)))) => {}
            Some((_, known)) => *known = Some(outcome),
            None => found.push((claim.to_owned(), Some(outcome))),
        }
    }

    let mut outcomes: Vec<_> = found
        .into_iter()
        .map(|(claim, outcome)| {
            let outcome = match outcome {
                None => Outcome::Failed("printed nothing".to_owned()),
                Some(Outcome::Skipped(reason)) if !skips::allows(place, &reason) => {
                    Outcome::Failed(format!("must not be skipped on {place}: {reason}"))
                }
                Some(outcome) => outcome,
            };
            (claim, outcome)
        })
        .collect();

    let failed = |(_, outcome): &_| matches!(outcome, Outcome::Failed(_));
    let passed = |(_, outcome): &_| *outcome == Outcome::Passed;
    if !outcomes.iter().any(failed) {
        let reason = if console.ending != Ending::Status(PASSED.into()) {
            Some(console.ending.to_string())
        } else if !outcomes.iter().any(passed) {
            Some("without a claim that passed".to_owned())
        } else {
            None
        };
        outcomes.extend(reason.map(|reason| (ENDS.to_owned(), Outcome::Failed(reason))));
    }
    outcomes
}

/// The claim and the outcome that a line of the console is about.
fn parse(line: &str) -> Option<(&str, Outcome)> {
    if let Some(claim) = line.strip_prefix("ok ") {
        return (!claim.is_empty() && !claim.contains(' ')).then_some((claim, Outcome::Passed));
    }
    if let Some((claim, reason)) = line
        .strip_prefix("skip ")
        .and_then(|rest| rest.split_once(": "))
    {
        return (!claim.contains(' ')).then(|| (claim, Outcome::Skipped(reason.to_owned())));
    }
    // What fails before the claims run is no claim, and has spaces in it.
    let (what, reason) = line.strip_prefix("FAILED ")?.split_once(": ")?;
    Some((what, Outcome::Failed(reason.to_owned())))
}

/// Whether a machine printed this line, and then ended without a status, which is how the
/// power is switched off and how a kernel panics.
pub fn line(line: &str, console: &Console) -> bool {
    console.ending == Ending::Status(0) && console.text.lines().any(|printed| printed == line)
}

/// The line that a machine printed that begins so, if it then ended without a status.
pub fn beginning<'a>(start: &str, console: &'a Console) -> Option<&'a str> {
    let mut lines = console.text.lines();
    let found = lines.find(|line| line.starts_with(start));
    found.filter(|_| console.ending == Ending::Status(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIMS: [&str; 3] = ["io::reads", "io::writes", "kexec::boots"];
    const SUCCESS: Ending = Ending::Status(85);

    fn console(ending: Ending, text: &str) -> Console {
        Console {
            text: text.to_owned(),
            ending,
            first_attempt: None,
        }
    }

    /// A place, and a reason to skip that is allowed there and on no other machine.
    const PLACE: &str = "x86_64-6.12.43";
    const ALLOWED: &str = "this kernel has CVE-2026-63952";

    fn judged(prefix: &str, ending: Ending, text: &str) -> Vec<(String, Outcome)> {
        claims(&CLAIMS, prefix, PLACE, &console(ending, text))
    }

    fn expect(judged: &[(String, Outcome)], expected: &[(&str, Outcome)]) {
        let judged: Vec<_> = judged
            .iter()
            .map(|(claim, outcome)| (claim.as_str(), outcome.clone()))
            .collect();
        assert_eq!(judged, expected);
    }

    fn failed(reason: &str) -> Outcome {
        Outcome::Failed(reason.to_owned())
    }

    fn skipped(reason: &str) -> Outcome {
        Outcome::Skipped(reason.to_owned())
    }

    #[test]
    fn claims_end_as_they_print() {
        expect(
            &judged(
                "io::",
                SUCCESS,
                &format!("[0.1] Booting: ok\nskip io::writes: {ALLOWED}\nok io::reads\n"),
            ),
            &[
                ("io::reads", Outcome::Passed),
                ("io::writes", skipped(ALLOWED)),
            ],
        );
    }

    #[test]
    fn a_claim_that_printed_nothing_has_failed() {
        let nothing = failed("printed nothing");
        expect(
            &judged("io::", SUCCESS, "ok io::reads\n"),
            &[
                ("io::reads", Outcome::Passed),
                ("io::writes", nothing.clone()),
            ],
        );
        expect(
            &judged("io::", SUCCESS, ""),
            &[("io::reads", nothing.clone()), ("io::writes", nothing)],
        );
    }

    #[test]
    fn a_failure_stands() {
        expect(
            &judged(
                "kexec::",
                SUCCESS,
                "FAILED kexec::boots: a is 1: no\nok kexec::boots\n",
            ),
            &[("kexec::boots", failed("a is 1: no"))],
        );
        expect(
            &judged(
                "kexec::",
                SUCCESS,
                "ok kexec::boots\nFAILED kexec::boots: later\n",
            ),
            &[("kexec::boots", failed("later"))],
        );
    }

    #[test]
    fn a_skip_that_is_not_allowed_there_is_a_failure() {
        for (place, reason, well) in [
            (PLACE, ALLOWED, true),
            ("x86_64-6.12", ALLOWED, false),
            ("x86_64-6.12.43/kexec", ALLOWED, false),
            (PLACE, "no pages: 3", false),
        ] {
            let text = format!("skip io::reads: {reason}\nok io::writes\n");
            let outcome = if well {
                skipped(reason)
            } else {
                failed(&format!("must not be skipped on {place}: {reason}"))
            };
            expect(
                &claims(&CLAIMS, "io::", place, &console(SUCCESS, &text)),
                &[("io::reads", outcome), ("io::writes", Outcome::Passed)],
            );
        }
    }

    #[test]
    fn a_machine_on_which_nothing_passed_has_failed() {
        expect(
            &judged(
                "kexec::",
                SUCCESS,
                &format!("skip kexec::boots: {ALLOWED}\n"),
            ),
            &[
                ("kexec::boots", skipped(ALLOWED)),
                (ENDS, failed("without a claim that passed")),
            ],
        );
    }

    #[test]
    fn another_status_than_that_of_success_is_a_failure() {
        for (ending, reason) in [
            (Ending::Status(0), "with status 0"),
            (Ending::Status(87), "with status 87"),
            (Ending::Signal, "by a signal"),
            (Ending::Hung, "by running out of time"),
        ] {
            expect(
                &judged("kexec::", ending, "ok kexec::boots\n"),
                &[("kexec::boots", Outcome::Passed), (ENDS, failed(reason))],
            );
        }
    }

    #[test]
    fn what_fails_before_the_claims_is_reported() {
        let text = "FAILED the copy of /init: ENOENT (2)\nok kexec::boots\n";
        expect(
            &judged("kexec::", SUCCESS, text),
            &[
                ("kexec::boots", Outcome::Passed),
                ("the copy of /init", failed("ENOENT (2)")),
            ],
        );
    }

    #[test]
    fn other_lines_are_about_no_claim() {
        for text in [
            "ok",
            "ok a b",
            "skip io::reads",
            "skip a b: c",
            "FAILED",
            "not ok io::reads",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_line_is_known_by_its_beginning() {
        let text = "boot\nmodel: 5 steps\npanic\n";
        let line = Some("model: 5 steps");
        assert_eq!(
            beginning("model: ", &console(Ending::Status(0), text)),
            line
        );
        assert_eq!(beginning("steps", &console(Ending::Status(0), text)), None);
        assert_eq!(beginning("model: ", &console(Ending::Hung, text)), None);
    }

    #[test]
    fn an_example_prints_its_line_and_ends_without_a_status() {
        assert!(line(
            "it runs",
            &console(Ending::Status(0), "boot\nit runs\npanic\n")
        ));
        assert!(!line("it runs", &console(Ending::Status(85), "it runs\n")));
        assert!(!line("it runs", &console(Ending::Hung, "it runs\n")));
        assert!(!line(
            "it runs",
            &console(Ending::Status(0), "whether it runs\n")
        ));
    }
}
