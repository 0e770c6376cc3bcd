//! Claims about creation flags, seals and the sizes of huge pages, as values.

use crate::{Verdict, World, claim::Text};
use owned_memfd::{HugePageSize, MemFdFlags, Seals};

claims!(
    the_bits_are_the_kernels,
    known_is_every_bit_with_a_name_and_no_other,
    bits_without_a_name_survive,
    flags_and_seals_have_an_order,
    seals_print_as_the_kernel_names_them,
    a_size_of_huge_pages_is_any_power_of_two,
    the_named_sizes_are_what_they_say,
    the_flags_of_a_size_are_its_logarithm_in_the_kernels_field,
);

fn the_bits_are_the_kernels(_: &World) -> Verdict {
    // include/uapi/linux/memfd.h and fcntl.h
    for (flag, bit) in [
        (MemFdFlags::CLOEXEC, 1),
        (MemFdFlags::ALLOW_SEALING, 2),
        (MemFdFlags::HUGETLB, 4),
        (MemFdFlags::NOEXEC_SEAL, 8),
        (MemFdFlags::EXEC, 0x10),
    ] {
        same!(flag.bits(), bit);
    }
    for (seal, bit) in [
        (Seals::SEAL, 1),
        (Seals::SHRINK, 2),
        (Seals::GROW, 4),
        (Seals::WRITE, 8),
        (Seals::FUTURE_WRITE, 0x10),
        (Seals::EXEC, 0x20),
    ] {
        same!(seal.bits(), bit);
    }
    Ok(())
}

fn known_is_every_bit_with_a_name_and_no_other(_: &World) -> Verdict {
    same!(MemFdFlags::KNOWN.bits(), 0x1f);
    same!(Seals::KNOWN.bits(), 0x3f);
    Ok(())
}

fn bits_without_a_name_survive(_: &World) -> Verdict {
    for bits in [0, 0x40, 0x8000_0000, u32::MAX] {
        same!(Seals::from_bits_retain(bits).bits(), bits);
        same!(Seals::from_bits(bits), Some(Seals::from_bits_retain(bits)));
        same!(Seals::from_bits_truncate(bits).bits(), bits);
        same!(MemFdFlags::from_bits_retain(bits).bits(), bits);
        same!(MemFdFlags::from_bits_truncate(bits).bits(), bits);
    }
    let seals = Seals::WRITE | Seals::from_bits_retain(0x40);
    same!(seals.bits(), 0x48);
    holds!(seals.contains(Seals::WRITE) && !seals.contains(Seals::GROW));
    same!((seals - Seals::WRITE).bits(), 0x40);
    Ok(())
}

fn flags_and_seals_have_an_order(_: &World) -> Verdict {
    holds!(Seals::empty() < Seals::SEAL && Seals::SEAL < Seals::SHRINK);
    same!(Seals::SEAL.max(Seals::EXEC), Seals::EXEC);
    holds!(MemFdFlags::CLOEXEC < MemFdFlags::ALLOW_SEALING);
    same!(
        MemFdFlags::EXEC.min(MemFdFlags::CLOEXEC),
        MemFdFlags::CLOEXEC
    );
    Ok(())
}

fn seals_print_as_the_kernel_names_them(_: &World) -> Verdict {
    for (bits, text) in [
        (0, "0x0"),
        (1, "F_SEAL_SEAL"),
        (0x0a, "F_SEAL_SHRINK | F_SEAL_WRITE"),
        (0x4a, "F_SEAL_SHRINK | F_SEAL_WRITE | 0x40"),
        (0x8000_0040, "0x80000040"),
        (
            0x3f,
            "F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE \
             | F_SEAL_EXEC",
        ),
    ] {
        same!(Text::of(Seals::from_bits_retain(bits)).as_str(), text);
    }
    Ok(())
}

fn a_size_of_huge_pages_is_any_power_of_two(_: &World) -> Verdict {
    for power in 1..64 {
        let bytes = 1 << power;
        let Some(size) = HugePageSize::from_bytes(bytes) else {
            fail!("no size of {bytes} bytes");
        };
        same!(size.bytes(), Some(bytes));
    }
    for bytes in [0, 1, 3, 0x0030_0000, (1 << 21) - 1, (1 << 21) + 1, u64::MAX] {
        same!(HugePageSize::from_bytes(bytes), None);
    }
    Ok(())
}

/// The sizes that linux-raw-sys names, in bytes.
pub(crate) const NAMED: [(HugePageSize, u64); 12] = [
    (HugePageSize::KB_64, 64 << 10),
    (HugePageSize::KB_512, 512 << 10),
    (HugePageSize::MB_1, 1 << 20),
    (HugePageSize::MB_2, 2 << 20),
    (HugePageSize::MB_8, 8 << 20),
    (HugePageSize::MB_16, 16 << 20),
    (HugePageSize::MB_32, 32 << 20),
    (HugePageSize::MB_256, 256 << 20),
    (HugePageSize::MB_512, 512 << 20),
    (HugePageSize::GB_1, 1 << 30),
    (HugePageSize::GB_2, 2 << 30),
    (HugePageSize::GB_16, 16 << 30),
];

fn the_named_sizes_are_what_they_say(_: &World) -> Verdict {
    for (size, bytes) in NAMED {
        same!(size.bytes(), Some(bytes));
        same!(HugePageSize::from_bytes(bytes), Some(size));
    }
    // The default size depends on the machine, so no value here states it.
    same!(HugePageSize::DEFAULT.bytes(), None);
    Ok(())
}

fn the_flags_of_a_size_are_its_logarithm_in_the_kernels_field(_: &World) -> Verdict {
    same!(MemFdFlags::huge_pages(HugePageSize::DEFAULT).bits(), 4);
    same!(
        MemFdFlags::huge_pages(HugePageSize::MB_2).bits(),
        4 | (21 << 26)
    );
    for power in 1..64_u32 {
        let Some(size) = HugePageSize::from_bytes(1 << power) else {
            fail!("no size of 2 to the {power}");
        };
        let flags = MemFdFlags::huge_pages(size);
        same!(flags.bits(), 4 | (power << 26));
        holds!(flags.contains(MemFdFlags::HUGETLB));
    }
    Ok(())
}
