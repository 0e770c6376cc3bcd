//! The flags of creation, the seals, and the sizes of huge pages, with the kernel's bits from
//! `linux-raw-sys`.
//!
//! No system call is made here. Bits that have no name here are kept: a newer kernel may know
//! them.

use bitflags::bitflags;
use core::fmt;
use linux_raw_sys::general as raw;

bitflags! {
    /// Flags of [`OwnedMemFd::create`](crate::OwnedMemFd::create), as the kernel defines them.
    ///
    /// Bits without a name here are kept and given to the kernel. So `all()` and `!flags` mean all
    /// 32 bits; [`MemFdFlags::KNOWN`] is all that have a name.
    ///
    /// See [`memfd_create(2)`](https://man7.org/linux/man-pages/man2/memfd_create.2.html).
    #[doc(alias = "MemfdFlags")]
    #[doc(alias = "memfd_create")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[repr(transparent)]
    pub struct MemFdFlags: u32 {
        /// Close the descriptor when the process executes another program.
        ///
        /// Since Linux 3.17.
        #[doc(alias = "MFD_CLOEXEC")]
        const CLOEXEC = raw::MFD_CLOEXEC;
        /// Allow seals to be added.
        ///
        /// Since Linux 3.17.
        #[doc(alias = "MFD_ALLOW_SEALING")]
        const ALLOW_SEALING = raw::MFD_ALLOW_SEALING;
        /// Use huge pages of the machine's default size. [`MemFdFlags::huge_pages`] chooses
        /// another.
        ///
        /// Since Linux 4.14, together with `ALLOW_SEALING` since 4.16.
        #[doc(alias = "MFD_HUGETLB")]
        const HUGETLB = raw::MFD_HUGETLB;
        /// Mode 0666, sealed with [`Seals::EXEC`], which says how little that prevents. Implies
        /// `ALLOW_SEALING`.
        ///
        /// Since Linux 6.3; `EINVAL` before.
        #[doc(alias = "MFD_NOEXEC_SEAL")]
        const NOEXEC_SEAL = raw::MFD_NOEXEC_SEAL;
        /// Mode 0777.
        ///
        /// Since Linux 6.3; `EINVAL` before.
        #[doc(alias = "MFD_EXEC")]
        const EXEC = raw::MFD_EXEC;

        const _ = !0;
    }
}

impl MemFdFlags {
    /// Every flag that has a name here.
    pub const KNOWN: Self = Self::CLOEXEC
        .union(Self::ALLOW_SEALING)
        .union(Self::HUGETLB)
        .union(Self::NOEXEC_SEAL)
        .union(Self::EXEC);

    /// [`MemFdFlags::HUGETLB`] with the bits that choose a size.
    ///
    /// A size is a number in a field, not a flag: do not join two of them, and do not ask for
    /// one with `contains`.
    #[doc(alias = "MFD_HUGE_SHIFT")]
    #[must_use]
    pub const fn huge_pages(size: HugePageSize) -> Self {
        Self::HUGETLB.union(Self::from_bits_retain(
            (size.log2 as u32) << raw::MFD_HUGE_SHIFT,
        ))
    }
}

bitflags! {
    /// A set of seals: operations that are permanently forbidden on a file, for everybody.
    ///
    /// Seals can be added and never removed. Ask with `contains`, never with `==`: a kernel may
    /// set more than it was asked for. Bits without a name here are kept. So `all()` and `!seals`
    /// mean all 32 bits; [`Seals::KNOWN`] is all that have a name.
    ///
    /// `Display` prints the kernel's names:
    ///
    /// ```
    /// use owned_memfd::Seals;
    ///
    /// let seals = Seals::SHRINK | Seals::WRITE | Seals::from_bits_retain(0x40);
    /// assert_eq!(seals.to_string(), "F_SEAL_SHRINK | F_SEAL_WRITE | 0x40");
    /// ```
    ///
    /// See [`F_ADD_SEALS(2const)`](https://man7.org/linux/man-pages/man2/F_ADD_SEALS.2const.html).
    #[doc(alias = "FileSeal")]
    #[doc(alias = "SealFlags")]
    #[doc(alias = "F_ADD_SEALS")]
    #[doc(alias = "F_GET_SEALS")]
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[repr(transparent)]
    pub struct Seals: u32 {
        /// No more seals can be added.
        ///
        /// Since Linux 3.17.
        #[doc(alias = "F_SEAL_SEAL")]
        const SEAL = raw::F_SEAL_SEAL;
        /// The file cannot get shorter.
        ///
        /// Since Linux 3.17.
        #[doc(alias = "F_SEAL_SHRINK")]
        const SHRINK = raw::F_SEAL_SHRINK;
        /// The file cannot get longer.
        ///
        /// Since Linux 3.17.
        #[doc(alias = "F_SEAL_GROW")]
        const GROW = raw::F_SEAL_GROW;
        /// The content cannot be written. The file can still get shorter and longer, unless
        /// [`SHRINK`](Self::SHRINK) and [`GROW`](Self::GROW) forbid that.
        ///
        /// Since Linux 3.17.
        #[doc(alias = "F_SEAL_WRITE")]
        const WRITE = raw::F_SEAL_WRITE;
        /// The content cannot be written, except through shared mappings that exist already. So it
        /// may still change.
        ///
        /// Since Linux 5.1.
        #[doc(alias = "F_SEAL_FUTURE_WRITE")]
        const FUTURE_WRITE = raw::F_SEAL_FUTURE_WRITE;
        /// `chmod` cannot change the execute bits of the file's mode. On an executable file
        /// the kernel adds `SHRINK`, `GROW`, `WRITE` and `FUTURE_WRITE` with it.
        ///
        /// This is hygiene, not a boundary. The file's owner can still set the bits by an access
        /// control list (`system.posix_acl_access`), and the file then runs, however it is sealed.
        /// Nor does the seal prevent an executable mapping. On huge pages, kernels report it and
        /// let `chmod` change the bits all the same.
        ///
        /// Since Linux 6.3.
        #[doc(alias = "F_SEAL_EXEC")]
        const EXEC = raw::F_SEAL_EXEC;

        const _ = !0;
    }
}

impl Seals {
    /// Every seal that has a name here.
    pub const KNOWN: Self = Self::SEAL
        .union(Self::SHRINK)
        .union(Self::GROW)
        .union(Self::WRITE)
        .union(Self::FUTURE_WRITE)
        .union(Self::EXEC);
}

impl fmt::Display for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (name, _) in self.iter_names() {
            write!(f, "{between}F_SEAL_{name}")?;
            between = " | ";
        }
        let unnamed = self.difference(Self::KNOWN);
        if !unnamed.is_empty() || self.is_empty() {
            write!(f, "{between}{:#x}", unnamed.bits())?;
        }
        Ok(())
    }
}

/// A size of huge pages: a power of two of bytes, or the machine's default.
///
/// The CPU and the kernel decide which sizes there are; `/sys/kernel/mm/hugepages` lists them.
/// Creating a file with another size fails with `ENODEV`.
///
/// ```
/// use owned_memfd::HugePageSize;
///
/// assert_eq!(HugePageSize::from_bytes(2 << 20), Some(HugePageSize::MB_2));
/// assert_eq!(HugePageSize::MB_2.bytes(), Some(2 << 20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HugePageSize {
    // 0 means the machine's default size, as in the kernel's field.
    log2: u8,
}

macro_rules! huge_page_sizes {
    ($($name:ident = $bits:ident $alias:literal: $text:literal,)*) => {
        impl HugePageSize {
            /// The machine's default size.
            pub const DEFAULT: Self = Self { log2: 0 };
            $(
                #[doc = $text]
                #[doc(alias = $alias)]
                pub const $name: Self = Self { log2: (raw::$bits >> raw::MFD_HUGE_SHIFT) as u8 };
            )*
        }
    };
}

huge_page_sizes! {
    KB_64 = MFD_HUGE_64KB "MFD_HUGE_64KB": "64 KiB",
    KB_512 = MFD_HUGE_512KB "MFD_HUGE_512KB": "512 KiB",
    MB_1 = MFD_HUGE_1MB "MFD_HUGE_1MB": "1 MiB",
    MB_2 = MFD_HUGE_2MB "MFD_HUGE_2MB": "2 MiB",
    MB_8 = MFD_HUGE_8MB "MFD_HUGE_8MB": "8 MiB",
    MB_16 = MFD_HUGE_16MB "MFD_HUGE_16MB": "16 MiB",
    MB_32 = MFD_HUGE_32MB "MFD_HUGE_32MB": "32 MiB",
    MB_256 = MFD_HUGE_256MB "MFD_HUGE_256MB": "256 MiB",
    MB_512 = MFD_HUGE_512MB "MFD_HUGE_512MB": "512 MiB",
    GB_1 = MFD_HUGE_1GB "MFD_HUGE_1GB": "1 GiB",
    GB_2 = MFD_HUGE_2GB "MFD_HUGE_2GB": "2 GiB",
    GB_16 = MFD_HUGE_16GB "MFD_HUGE_16GB": "16 GiB",
}

impl HugePageSize {
    /// The size of `bytes` bytes; `None` unless that is a power of two of at least 2.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Option<Self> {
        if bytes.is_power_of_two() && bytes > 1 {
            Some(Self {
                log2: bytes.trailing_zeros() as u8,
            })
        } else {
            None
        }
    }

    /// The size in bytes; `None` for [`HugePageSize::DEFAULT`], which only the machine knows.
    #[must_use]
    pub const fn bytes(self) -> Option<u64> {
        match self.log2 {
            0 => None,
            log2 => Some(1 << log2),
        }
    }
}
