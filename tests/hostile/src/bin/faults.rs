//! Runs each operation with each fault at each of its system calls.

use hostile::{
    operations,
    orders::Orders,
    tracer::{Call, Meddler, Tracer},
};

/// Lists the calls.
#[derive(Default)]
struct Profile(Vec<i64>);

impl Meddler for Profile {
    fn entry(&mut self, call: &mut Call<'_>) -> nix::Result<()> {
        self.0.push(call.number());
        Ok(())
    }
}

fn main() -> nix::Result<()> {
    let orders = Orders::new()?;
    for operation in operations::all() {
        let mut profile = Profile::default();
        let verdict = Tracer::new(operation, orders).trial(&mut profile)?;
        println!("{}: {:?} {verdict:?}", operation.name, profile.0);
    }
    Ok(())
}
