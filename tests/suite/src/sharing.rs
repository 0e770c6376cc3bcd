//! The claims about seals and sealing once more, while another process shares the descriptor
//! table. It has not a copy of the table, as after a fork, but the same one.

use crate::{
    Verdict, World,
    children::{Child, PATIENCE, Steps},
    kernel,
    raw::{self, Descriptors, Handover, Shared},
    sealing, seals, world,
};
use owned_memfd::fd::{IntoRawFd, OwnedFd};

claims!(
    a_descriptor_that_the_other_process_opens_is_there,
    every_claim_about_seals_holds,
);

fn a_descriptor_that_the_other_process_opens_is_there(world: &World) -> Verdict {
    needs!(world.shared_descriptors, world::NO_SHARED_DESCRIPTORS);
    for (descriptors, there) in [(Descriptors::Shared, true), (Descriptors::Copied, false)] {
        let opened = ok!(Shared::new(Handover::new()));
        ok!(Child::start(descriptors, || {
            opened.put(OwnedFd::from(ok!(kernel::sealable())).into_raw_fd());
            Ok(())
        }))
        .finish(PATIENCE)?;
        let Some(number) = opened.take() else {
            fail!("the child opened nothing");
        };
        same!(raw::is_open(number), there);
        if there {
            drop(raw::take(number));
        }
    }
    Ok(())
}

fn every_claim_about_seals_holds(world: &World) -> Verdict {
    needs!(world.shared_descriptors, world::NO_SHARED_DESCRIPTORS);
    let steps = ok!(Steps::new());
    let sharer = ok!(Child::start(Descriptors::Shared, || steps.wait_for(1)));
    for claim in seals::CLAIMS.iter().chain(sealing::CLAIMS) {
        claim.go_on_with(world)?;
    }
    steps.reach(1);
    sharer.finish(PATIENCE)
}
