//! Errors, flags and sizes, which make no call.

use super::operations;
use crate::{checks::same, orders::Verdict, trial::Trial};
use owned_memfd::{Errno, HugePageSize, MemFdFlags};

operations! { "values":
    errno, huge_page_size,
}

fn errno(trial: &mut Trial) -> Verdict {
    let errno = trial.call(|| Errno::from_raw_os_error(1));
    let (name, number) = trial.call(|| (errno.name(), errno.raw_os_error()));
    same((name, number), (Some("EPERM"), 1), "the error")
}

fn huge_page_size(trial: &mut Trial) -> Verdict {
    let size = trial.call(|| HugePageSize::from_bytes(2 << 20));
    same(size, Some(HugePageSize::MB_2), "the size")?;
    let bytes = trial.call(|| HugePageSize::MB_2.bytes());
    same(bytes, Some(2 << 20), "its bytes")?;
    let flags = trial.call(|| MemFdFlags::huge_pages(HugePageSize::MB_2));
    same(flags.contains(MemFdFlags::HUGETLB), true, "the flag")
}
