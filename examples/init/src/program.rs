//! The program that `init` carries unless `INIT_PROGRAM` names another.
//!
//! It prints that it runs, and its configuration. As process 1, which must not exit, it switches
//! the machine off.
#![no_std]
#![no_main]

mod sys;

use core::{mem::MaybeUninit, panic::PanicInfo};

/// The descriptor on which `init` hands over the configuration.
const CONFIG_FD: usize = 3;

extern "C" fn start(_: *const usize) -> ! {
    let is_first = sys::process_id() == 1;
    let role = if is_first { " as process 1" } else { "" };
    let mut room = [const { MaybeUninit::uninit() }; 128];
    if let Some(config) = sys::read_sealed(CONFIG_FD, &mut room) {
        let text = core::str::from_utf8(config).unwrap_or("not text");
        let line = text.split('\n').next().unwrap_or_default();
        sys::say(&[
            "program: runs from memory",
            role,
            ", configured by: ",
            line,
            "\n",
        ]);
    } else {
        sys::say(&["program: runs from memory", role, "\n"]);
    }
    if is_first {
        power_off();
    }
    sys::exit(0)
}

/// Switches the machine off. For process 1 of a container, this ends only the container.
fn power_off() {
    /// `LINUX_REBOOT_MAGIC1`, `LINUX_REBOOT_MAGIC2` and `LINUX_REBOOT_CMD_POWER_OFF`,
    /// include/uapi/linux/reboot.h.
    const POWER_OFF: [usize; 3] = [0xfee1_dead, 0x2812_1969, 0x4321_fedc];

    let [magic, more_magic, command] = POWER_OFF;
    // SAFETY: no pointers.
    unsafe { sys::system_call(sys::number::REBOOT, magic, more_magic, command, 0, 0) };
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    sys::exit(101)
}
