//! Claims about owning and lending descriptors, with std's types or with the library's own: this
//! file compiles unchanged with both.

use crate::{Verdict, World, children, kernel, raw};
use owned_memfd::{
    MemFdFlags, OwnedMemFd, SealedMemFd,
    fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
};

claims!(
    a_memory_file_is_four_bytes_and_so_is_none,
    a_descriptor_is_closed_when_its_owner_goes,
    a_number_given_away_stays_open,
    lending_closes_nothing_and_shows_the_same_number,
    a_memory_file_keeps_its_number_through_every_conversion,
    a_number_stands_for_itself_as_with_std,
    descriptors_print_their_number,
    a_descriptor_is_duplicated_as_with_std,
    descriptor_0_works,
);

fn a_memory_file_is_four_bytes_and_so_is_none(_: &World) -> Verdict {
    same!(size_of::<OwnedMemFd>(), 4);
    same!(size_of::<Option<OwnedMemFd>>(), 4);
    same!(size_of::<OwnedFd>(), 4);
    same!(size_of::<Option<OwnedFd>>(), 4);
    same!(size_of::<BorrowedFd<'_>>(), 4);
    same!(size_of::<Option<BorrowedFd<'_>>>(), 4);
    Ok(())
}

fn a_descriptor_is_closed_when_its_owner_goes(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let number = file.as_raw_fd();
    holds!(raw::is_open(number));
    drop(file);
    holds!(!raw::is_open(number));

    let fd = OwnedFd::from(ok!(kernel::sealable()));
    let number = fd.as_raw_fd();
    drop(fd);
    holds!(!raw::is_open(number));

    let file = ok!(kernel::sealable());
    let number = file.as_raw_fd();
    ok!(file.close());
    holds!(!raw::is_open(number));
    Ok(())
}

fn a_number_given_away_stays_open(_: &World) -> Verdict {
    let number = ok!(kernel::sealable()).into_raw_fd();
    holds!(raw::is_open(number));
    let fd = raw::take(number);
    same!(fd.as_raw_fd(), number);
    let number = fd.into_raw_fd();
    holds!(raw::is_open(number));
    drop(raw::take(number));
    holds!(!raw::is_open(number));
    Ok(())
}

/// How a user of the library would accept any descriptor.
fn number_of(fd: impl AsFd) -> RawFd {
    fn as_a_number(fd: &impl AsRawFd) -> RawFd {
        fd.as_raw_fd()
    }
    let borrowed: BorrowedFd<'_> = fd.as_fd();
    as_a_number(&borrowed)
}

fn lending_closes_nothing_and_shows_the_same_number(_: &World) -> Verdict {
    let mut file = ok!(kernel::sealable());
    let number = file.as_raw_fd();
    same!(number_of(&file), number);
    same!(number_of(&mut file), number);
    same!(number_of(file.as_fd()), number);
    holds!(raw::is_open(number));
    let fd = OwnedFd::from(file);
    same!(number_of(&fd), number);
    same!(number_of(fd), number);
    // The last call consumed the owner.
    holds!(!raw::is_open(number));
    Ok(())
}

// tests/with_std.rs claims the same of `std::fs::File`.
fn a_memory_file_keeps_its_number_through_every_conversion(_: &World) -> Verdict {
    fn there_and_back<T: IntoRawFd + FromRawFd>(value: T) -> OwnedFd {
        raw::take(value.into_raw_fd())
    }
    let file = ok!(kernel::sealable());
    ok!(file.write_all(b"x"));
    let number = file.as_raw_fd();
    let fd = there_and_back(file);
    same!(fd.as_raw_fd(), number);
    let fd = there_and_back(fd);
    same!(fd.as_raw_fd(), number);
    let file = raw::disguise(fd);
    same!(file.as_raw_fd(), number);
    let file = match OwnedMemFd::try_from(OwnedFd::from(file)) {
        Ok(file) => file,
        Err(refused) => fail!("{:?}", refused.kind()),
    };
    same!(file.as_raw_fd(), number);
    same!(file.len(), Ok(1));
    // The proof goes, the descriptor stays.
    let sealed = ok!(file.seal());
    same!(sealed.as_raw_fd(), number);
    same!(sealed.as_memfd().as_raw_fd(), number);
    let file = OwnedMemFd::from(sealed);
    same!(file.as_raw_fd(), number);
    let sealed = ok!(SealedMemFd::try_from(OwnedFd::from(file)));
    same!(sealed.as_raw_fd(), number);
    let fd = raw::take(sealed.into_raw_fd());
    same!(fd.as_raw_fd(), number);
    same!(kernel::holds_exactly(&fd, b"x"), Ok(true));
    Ok(())
}

fn a_number_stands_for_itself_as_with_std(_: &World) -> Verdict {
    fn shown(fd: &impl AsRawFd) -> RawFd {
        fd.as_raw_fd()
    }
    fn given_away(fd: impl IntoRawFd) -> RawFd {
        fd.into_raw_fd()
    }
    for number in [0, 1, RawFd::MAX, -1] {
        same!(shown(&number), number);
        same!(given_away(number), number);
        same!(raw::plain_number(number), number);
    }
    Ok(())
}

fn descriptors_print_their_number(_: &World) -> Verdict {
    let file = ok!(kernel::sealable());
    let digits = crate::claim::Text::of(file.as_raw_fd());
    let said = crate::claim::Text::of(format_args!("{file:?} {:?}", file.as_fd()));
    same!(said.as_str().matches(digits.as_str()).count(), 2);
    let said = crate::claim::Text::of(format_args!("{:?}", OwnedFd::from(file)));
    same!(said.as_str().matches(digits.as_str()).count(), 1);
    Ok(())
}

fn a_descriptor_is_duplicated_as_with_std(_: &World) -> Verdict {
    let file = ok!(kernel::holding(b"0123"));
    ok!(file.set_close_on_exec(false));
    let fd = OwnedFd::from(file);
    let clones = || [fd.try_clone(), fd.as_fd().try_clone_to_owned()];
    for clone in clones() {
        let clone = ok!(clone);
        holds!(clone.as_raw_fd() != fd.as_raw_fd());
        same!(kernel::identity(&clone), kernel::identity(&fd));
        same!(kernel::close_on_exec(&clone), Ok(true));
        let number = clone.as_raw_fd();
        drop(clone);
        holds!(!raw::is_open(number));
    }
    children::apart(|| {
        for number in 0..3 {
            raw::close(number);
        }
        for clone in clones() {
            holds!(ok!(clone).as_raw_fd() >= 3);
        }
        Ok(())
    })?;
    ok!(kernel::fill_the_table());
    for clone in clones() {
        holds!(clone.is_err());
    }
    Ok(())
}

fn descriptor_0_works(_: &World) -> Verdict {
    children::apart(|| {
        // As in early boot, no descriptor is open.
        for number in 0..3 {
            raw::close(number);
        }
        let flags = MemFdFlags::CLOEXEC | MemFdFlags::ALLOW_SEALING;
        let file = ok!(OwnedMemFd::create(c"zero", flags));
        same!(file.as_raw_fd(), 0);
        ok!(file.write_all(b"zero"));
        same!(kernel::holds_exactly(&file, b"zero"), Ok(true));
        let copy = ok!(file.try_clone());
        same!(copy.seals(), file.seals());
        let some = Some(file);
        holds!(some.is_some(), "descriptor 0 is taken for none");
        drop(some);
        holds!(!raw::is_open(0));
        // The next file gets number 0 again. Options and conversions accept it too.
        let file = ok!(owned_memfd::MemFdOptions::new().create(c"zero"));
        same!(file.as_raw_fd(), 0);
        let Ok(file) = OwnedMemFd::try_from(OwnedFd::from(file)) else {
            fail!("descriptor 0 is refused");
        };
        same!(file.into_raw_fd(), 0);
        Ok(())
    })
}
