//! What `suite::skips` demands of the kernels: which claims must pass on which, and which lines
//! there have become useless.

use crate::{judge::Outcome, kernels};
use suite::skips::{self, EMULATED, HOST, Line, Shown};

/// What became of the claims on a machine.
pub struct Run {
    /// As `suite::skips` names it.
    pub place: String,
    pub outcomes: Vec<(String, Outcome)>,
}

impl Run {
    /// The name of its kernel.
    fn kernel(&self) -> &str {
        kernel_of(&self.place)
    }

    fn passed(&self, claim: &str) -> bool {
        self.outcomes
            .iter()
            .any(|(name, outcome)| name == claim && *outcome == Outcome::Passed)
    }
}

/// The kernel that a place, or a pattern of places, names.
fn kernel_of(place: &str) -> &str {
    place.split_once('/').map_or(place, |(kernel, _)| kernel)
}

/// Fails if a line of the list can have no effect: a kernel or a claim that does not exist, or a
/// reason that stands there twice.
pub fn check() -> Result<(), String> {
    check_all(skips::ALLOWED, skips::SHOWN)
}

fn check_all(allowed: &[Line], shown: &[Shown]) -> Result<(), String> {
    for (index, (reason, places)) in allowed.iter().enumerate() {
        if allowed[..index].iter().any(|(other, _)| other == reason) {
            return Err(format!("two lines allow the reason '{reason}'"));
        }
        for place in places
            .iter()
            .filter(|place| ![HOST, EMULATED].contains(place))
        {
            let kernel = kernel_of(place);
            if !kernels::names().any(|name| skips::matches(kernel, name)) {
                return Err(format!(
                    "'{reason}' is allowed on {place}, but tests/kernels/kernels.txt has no such kernel"
                ));
            }
        }
    }
    for (claim, kernels) in shown {
        if !suite::names().any(|name| name == *claim) {
            return Err(format!(
                "{claim} must pass on some kernels, but the suite has no such claim"
            ));
        }
        if let Some(lost) = kernels
            .iter()
            .find(|kernel| !kernels::names().any(|name| name == **kernel))
        {
            return Err(format!(
                "{claim} must pass on {lost}, but tests/kernels/kernels.txt has no such kernel"
            ));
        }
    }
    Ok(())
}

/// The claims that a kernel is there to show.
pub fn shown_by(kernel: &str) -> impl Iterator<Item = &'static str> {
    skips::SHOWN
        .iter()
        .filter(move |(_, kernels)| kernels.contains(&kernel))
        .map(|(claim, _)| *claim)
}

/// What the kernels that were booted do not show, although they must, each as a line.
pub fn missing(runs: &[Run]) -> Vec<String> {
    missing_of(&suite::names().collect::<Vec<_>>(), skips::SHOWN, runs)
}

fn missing_of(claims: &[&str], shown: &[Shown], runs: &[Run]) -> Vec<String> {
    let booted = |kernel: &str| runs.iter().any(|run| run.kernel() == kernel);
    let passed_on = |claim: &str, kernel: &str| {
        runs.iter()
            .any(|run| run.kernel() == kernel && run.passed(claim))
    };
    let mut missing = Vec::new();
    for (claim, kernels) in shown {
        for kernel in kernels.iter().filter(|kernel| booted(kernel)) {
            if !passed_on(claim, kernel) {
                missing.push(format!("{claim} must pass on {kernel}"));
            }
        }
    }
    if kernels::required().all(booted) {
        for claim in claims {
            if !shown.iter().any(|(other, _)| other == claim)
                && !kernels::required().any(|kernel| passed_on(claim, kernel))
            {
                missing.push(format!("{claim} must pass on a required kernel"));
            }
        }
    }
    missing
}

/// What `suite::skips` allows on kernels without need, each as a line. A line is judged only if
/// all kernels that it names were booted.
pub fn useless(runs: &[Run]) -> Vec<String> {
    useless_of(skips::ALLOWED, runs)
}

fn useless_of(allowed: &[Line], runs: &[Run]) -> Vec<String> {
    let booted = |kernel: &str| runs.iter().any(|run| run.kernel() == kernel);
    let skipped = |reason: &str, pattern: &str| {
        runs.iter()
            .filter(|run| skips::matches(pattern, &run.place))
            .flat_map(|run| &run.outcomes)
            .any(|(_, outcome)| matches!(outcome, Outcome::Skipped(why) if why == reason))
    };
    let mut useless = Vec::new();
    for (reason, places) in allowed {
        for place in *places {
            let mut concerned = kernels::names()
                .filter(|name| skips::matches(kernel_of(place), name))
                .peekable();
            if concerned.peek().is_some() && concerned.all(booted) && !skipped(reason, place) {
                useless.push(format!("nothing is skipped on {place} because: {reason}"));
            }
        }
    }
    useless
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: &str = "creating::a_null_name_is_efault";
    const OTHER: &str = "vectors::a_bare_inlined_call_loses_the_vector_state";

    fn run(place: &str, outcomes: &[(&str, Outcome)]) -> Run {
        Run {
            place: place.to_owned(),
            outcomes: outcomes
                .iter()
                .map(|(claim, outcome)| ((*claim).to_owned(), outcome.clone()))
                .collect(),
        }
    }

    fn skipped() -> Outcome {
        Outcome::Skipped("no pages".to_owned())
    }

    #[test]
    fn every_line_has_an_effect() {
        assert_eq!(check(), Ok(()));
    }

    #[test]
    fn a_kernel_that_does_not_exist_is_an_error() {
        const PLACES: [&[&str]; 4] = [
            &[HOST, "x86_64-2.4"],
            &["x86_64-6.1", "mips-*"],
            &["mips-newest/kexec"],
            &["hots"],
        ];
        for places in PLACES {
            let error = check_all(&[("no pages", places)], &[]).unwrap_err();
            assert!(error.contains(places[places.len() - 1]), "{error}");
        }
        let error = check_all(&[], &[(CLAIM, &["x86_64-6.1", "x86_64-2.4"])]).unwrap_err();
        assert!(error.contains("x86_64-2.4"), "{error}");
    }

    #[test]
    fn a_claim_that_was_renamed_is_an_error() {
        let error = check_all(&[], &[("kexec::renamed", &["x86_64-6.1"])]).unwrap_err();
        assert!(error.contains("kexec::renamed"), "{error}");
    }

    #[test]
    fn a_reason_that_is_there_twice_is_an_error() {
        let line: Line = ("no pages", &["x86_64-6.1"]);
        assert_eq!(check_all(&[line], &[]), Ok(()));
        let error = check_all(&[line, line], &[]).unwrap_err();
        assert!(error.contains("no pages"), "{error}");
    }

    #[test]
    fn what_a_kernel_is_there_to_show_must_pass_on_one_of_its_machines() {
        let shown: &[Shown] = &[(OTHER, &["arm64-newest", "riscv64-newest"])];
        let judged = |runs: &[Run]| missing_of(&[CLAIM, OTHER], shown, runs);
        let all = || {
            run(
                "arm64-newest",
                &[(CLAIM, Outcome::Passed), (OTHER, skipped())],
            )
        };
        assert_eq!(
            judged(&[all()]),
            [format!("{OTHER} must pass on arm64-newest")]
        );
        let some = run("arm64-newest/sve", &[(OTHER, Outcome::Passed)]);
        assert_eq!(judged(&[all(), some]), [""; 0]);
        // Nothing is known of kernels that were not booted.
        assert_eq!(judged(&[run("arm64-6.12", &[(OTHER, skipped())])]), [""; 0]);
    }

    #[test]
    fn what_a_kernel_shows_is_named() {
        let shown: Vec<_> = shown_by("x86_64-6.12.43").collect();
        assert_eq!(
            shown,
            ["proving::forged_seals_are_refused_where_they_can_be_forged"]
        );
        assert_eq!(shown_by("x86_64-6.1").count(), 0);
    }

    #[test]
    fn every_claim_passes_on_a_required_kernel() {
        let judged = |lacks: &str, skips: &[&str]| {
            let runs: Vec<_> = kernels::names()
                .filter(|name| *name != lacks)
                .map(|name| {
                    let outcome = if skips.contains(&name) {
                        skipped()
                    } else {
                        Outcome::Passed
                    };
                    run(name, &[(CLAIM, outcome)])
                })
                .collect();
            missing_of(&[CLAIM], &[], &runs)
        };
        let required: Vec<_> = kernels::required().collect();
        assert!(required.len() > 1);
        assert_eq!(judged("", &required[1..]), [""; 0]);
        // The optional ones may be missing, and do not count.
        let missing = [format!("{CLAIM} must pass on a required kernel")];
        assert_eq!(judged("", &required), missing);
        // Without one of them, nothing is known.
        assert_eq!(judged(required[0], &required), [""; 0]);
    }

    #[test]
    fn a_line_that_nothing_needs_is_reported() {
        let allowed: &[Line] = &[("no pages", &[HOST, "x86_64-6.1*", "arm64-newest"])];
        let judged = |runs: &[Run]| useless_of(allowed, runs);
        let claims = [(CLAIM, Outcome::Passed), (OTHER, skipped())];
        // Not all of the kernels were booted.
        assert_eq!(judged(&[run("x86_64-6.1", &claims[..1])]), [""; 0]);
        let places = [
            "x86_64-6.1",
            "x86_64-6.12",
            "x86_64-6.12.43",
            "arm64-newest",
        ];
        assert_eq!(judged(&places.map(|place| run(place, &claims))), [""; 0]);
        let useless = judged(&places.map(|place| run(place, &claims[..1])));
        assert_eq!(useless.len(), 2, "{useless:?}");
        assert!(useless[1].contains("arm64-newest") && useless[1].contains("no pages"));
    }
}
