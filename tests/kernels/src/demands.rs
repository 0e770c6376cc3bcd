//! What each kernel is there to show: claims that must not be skipped on it.

use crate::{
    kernels::{self, Cpu},
    machine::{ALL, VECTORS},
};
use suite::init::{
    KEXEC, RUNS_AS_SECOND_KERNEL, RUNS_BY_PROC, RUNS_FROM_MEMORY, RUNS_WITHOUT_PROC,
};

/// Claims that the machines for some claims demand on some kernels.
struct Demand {
    /// The prefix of the claims that these machines run.
    prefix: &'static str,
    /// The versions of the kernels, or none for all kernels.
    versions: &'static [&'static str],
    /// The CPUs on which there must be such a machine for these kernels, or none for all CPUs.
    cpus: &'static [Cpu],
    claims: &'static [&'static str],
}

const DEMANDS: &[Demand] = &[
    Demand {
        prefix: ALL,
        versions: &[],
        cpus: &[],
        claims: &[
            RUNS_FROM_MEMORY,
            "options::sealable_huge_pages_have_all_that_was_asked_for",
            "descriptors::a_file_of_a_hugetlbfs_is_not_taken",
            "reopening::a_file_with_the_same_number_is_not_opened",
            "limits::an_allocation_under_a_timer_ends",
            "limits::what_needs_memory_is_an_error_where_it_has_run_out",
            "options::kernels_without_the_exec_flags_get_none_and_the_mode_is_set",
            "booting::a_module_in_a_sealed_file_is_loaded",
            "booting::an_image_in_a_sealed_file_is_mounted",
            "mapping::a_map_is_shared_by_opening_the_file_again",
            "mapping::a_map_is_private_where_the_file_cannot_be_opened_again",
            "immutable::another_process_changes_no_map_by_address",
            "immutable::a_debugger_changes_no_map",
            "immutable::a_debugger_changes_no_map_through_proc",
            "immutable::a_uprobe_changes_no_map",
            "sealing::write_on_huge_pages_forbids_what_changes_the_content",
            "descriptors::a_path_that_changes_meanwhile_is_not_believed",
            "descriptors::a_thread_with_descriptors_of_its_own_opens_its_own_file_again",
            "executing::a_false_proc_runs_no_other_file",
            "executing::a_thread_with_descriptors_of_its_own_runs_its_own_file",
            "passing::an_internet_socket_takes_no_descriptor_and_no_byte_with_one",
        ],
    },
    Demand {
        prefix: ALL,
        versions: &["newest", "6.12", "6.12.43"],
        cpus: &[],
        claims: &[
            "options::the_exec_setting_refuses_and_the_refusal_comes_back",
            "options::the_exec_setting_of_the_machine_applies_to_what_runs_below",
        ],
    },
    Demand {
        prefix: ALL,
        versions: &["newest", "6.12"],
        cpus: &[],
        claims: &["proving::doubtful_seals_are_proof_where_none_can_be_forged"],
    },
    Demand {
        prefix: ALL,
        versions: &["6.12.43"],
        cpus: &[],
        claims: &["proving::forged_seals_are_refused_where_they_can_be_forged"],
    },
    Demand {
        prefix: ALL,
        versions: &["5.10-old"],
        cpus: &[],
        claims: &[
            "mapping::a_map_is_shared_where_this_kernel_shares_only_read_only_descriptors",
            RUNS_BY_PROC,
        ],
    },
    Demand {
        prefix: ALL,
        versions: &["newest"],
        cpus: &[],
        claims: &[
            RUNS_WITHOUT_PROC,
            "reopening::an_empty_path_is_enough",
            "sealing::write_waits_for_a_file_system_to_fill_its_pages",
        ],
    },
    Demand {
        prefix: VECTORS,
        versions: &["newest"],
        // The kernel of the other one keeps these registers.
        cpus: &[Cpu::Arm64, Cpu::Riscv64],
        claims: &["vectors::a_bare_inlined_call_loses_the_vector_state"],
    },
    Demand {
        prefix: KEXEC,
        versions: &["newest"],
        // `machine::of` says why only there.
        cpus: &[Cpu::Amd64],
        claims: &[RUNS_AS_SECOND_KERNEL],
    },
];

/// The claims that a machine must not skip, by the version of its kernel and the prefix of the
/// claims that it runs.
pub fn on(version: &str, prefix: &str) -> Vec<&'static str> {
    DEMANDS
        .iter()
        .filter(|demand| demand.prefix == prefix)
        .filter(|demand| demand.versions.is_empty() || demand.versions.contains(&version))
        .flat_map(|demand| demand.claims.iter().copied())
        .collect()
}

/// Fails if a demand on a kernel would have no effect because no machine that boots it runs such
/// claims: `prefixes` are those of the claims that its machines run.
pub fn check_machines(name: &str, cpu: Cpu, prefixes: &[&str]) -> Result<(), String> {
    let version = kernels::version(name);
    for demand in DEMANDS {
        let concerned = (demand.versions.is_empty() || demand.versions.contains(&version))
            && (demand.cpus.is_empty() || demand.cpus.contains(&cpu));
        if concerned && !prefixes.contains(&demand.prefix) {
            return Err(format!(
                "no machine runs {}* on {name}, where these claims are demanded: {}",
                demand.prefix,
                demand.claims.join(", ")
            ));
        }
    }
    Ok(())
}

/// Fails if a demand can have no effect: a claim that the suite does not have or that no such
/// machine runs, or a version that no kernel has.
pub fn check() -> Result<(), String> {
    check_all(DEMANDS)
}

fn check_all(demands: &[Demand]) -> Result<(), String> {
    for demand in demands {
        for claim in demand.claims {
            if !suite::names().any(|name| name == *claim) {
                return Err(format!(
                    "{claim} is demanded, but the suite has no such claim"
                ));
            }
            if !claim.starts_with(demand.prefix) {
                return Err(format!(
                    "{claim} is demanded of machines that run only {}*",
                    demand.prefix
                ));
            }
        }
        for version in demand.versions {
            if !kernels::names().any(|name| kernels::version(name) == *version) {
                return Err(format!(
                    "claims are demanded on {version}, but tests/kernels/kernels.txt has no such kernel"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: Demand = Demand {
        prefix: KEXEC,
        versions: &["newest"],
        cpus: &[Cpu::Amd64],
        claims: &[RUNS_AS_SECOND_KERNEL],
    };

    #[test]
    fn every_demand_has_an_effect() {
        assert_eq!(check(), Ok(()));
        assert_eq!(check_all(&[SOUND]), Ok(()));
    }

    #[test]
    fn a_claim_that_was_renamed_is_an_error() {
        let claims: &[_] = &[RUNS_AS_SECOND_KERNEL, "kexec::renamed"];
        let error = check_all(&[Demand { claims, ..SOUND }]).unwrap_err();
        assert!(error.contains("kexec::renamed"), "{error}");
    }

    #[test]
    fn a_claim_that_these_machines_do_not_run_is_an_error() {
        let claims: &[_] = &[RUNS_FROM_MEMORY];
        let error = check_all(&[Demand { claims, ..SOUND }]).unwrap_err();
        assert!(error.contains(RUNS_FROM_MEMORY), "{error}");
    }

    #[test]
    fn a_version_that_no_kernel_has_is_an_error() {
        let versions: &[_] = &["newest", "2.4"];
        let error = check_all(&[Demand { versions, ..SOUND }]).unwrap_err();
        assert!(error.contains("2.4"), "{error}");
    }

    #[test]
    fn a_kernel_without_the_machines_of_a_demand_is_an_error() {
        let check = check_machines;
        assert_eq!(check("x86_64-newest", Cpu::Amd64, &[ALL, KEXEC]), Ok(()));
        assert_eq!(check("arm64-newest", Cpu::Arm64, &[ALL, VECTORS]), Ok(()));
        assert_eq!(check("arm64-6.12", Cpu::Arm64, &[ALL]), Ok(()));
        for (name, cpu, lost) in [
            ("x86_64-newest", Cpu::Amd64, KEXEC),
            ("arm64-newest", Cpu::Arm64, VECTORS),
            ("riscv64-newest", Cpu::Riscv64, VECTORS),
        ] {
            let error = check(name, cpu, &[ALL]).unwrap_err();
            assert!(error.contains(name) && error.contains(lost), "{error}");
        }
        let error = check("x86_64-6.1", Cpu::Amd64, &[KEXEC]).unwrap_err();
        assert!(error.contains(RUNS_FROM_MEMORY), "{error}");
    }

    #[test]
    fn a_demand_is_made_on_its_kernels_and_machines_only() {
        assert_eq!(on("newest", KEXEC), [RUNS_AS_SECOND_KERNEL]);
        assert!(on("newest", ALL).contains(&RUNS_WITHOUT_PROC));
        assert!(!on("6.1", ALL).contains(&RUNS_WITHOUT_PROC));
        assert!(on("6.1", ALL).contains(&RUNS_FROM_MEMORY));
        assert!(on("6.12", VECTORS).is_empty());
    }
}
