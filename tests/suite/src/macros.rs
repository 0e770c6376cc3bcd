//! The macros that a claim states its conditions with, and `claims!`, which lists the claims of a
//! module.

/// A failure of the claim, as a `Verdict`.
macro_rules! failure {
    ($($text:tt)+) => {
        Err($crate::Stop::Failed($crate::Failure::new(
            file!(),
            line!(),
            format_args!($($text)+),
        )))
    };
}

/// Fails the claim with this message.
macro_rules! fail {
    ($($text:tt)+) => {
        return failure!($($text)+)
    };
}

/// Fails the claim unless the condition is true.
macro_rules! holds {
    ($condition:expr) => {
        holds!($condition, "not so: {}", stringify!($condition))
    };
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            fail!($($text)+)
        }
    };
}

/// Fails the claim unless both values are equal.
macro_rules! same {
    ($left:expr, $right:expr) => {
        match (&$left, &$right) {
            (left, right) => {
                if left != right {
                    fail!("{} is {left:?}, not {right:?}", stringify!($left))
                }
            }
        }
    };
}

/// The value of an operation. Fails the claim if the operation fails.
macro_rules! ok {
    ($operation:expr) => {
        match $operation {
            Ok(value) => value,
            Err(error) => fail!("{} fails with {error:?}", stringify!($operation)),
        }
    };
}

/// Fails the claim unless the operation fails with this error, or with one of these.
macro_rules! refused {
    ($operation:expr, $($error:pat_param)|+) => {
        match $operation {
            Err($($error)|+) => {}
            Err(error) => fail!(
                "{} fails with {error:?}, not {}",
                stringify!($operation),
                stringify!($($error)|+)
            ),
            Ok(_) => fail!(
                "{} succeeds instead of failing with {}",
                stringify!($operation),
                stringify!($($error)|+)
            ),
        }
    };
}

/// Skips the claim if the condition is false. `$missing` says what this machine lacks.
macro_rules! needs {
    ($condition:expr, $missing:expr) => {
        if !$condition {
            return Err($crate::Stop::Skipped($missing));
        }
    };
}

/// Lists the claims of the module, each with the name `module::claim`.
macro_rules! claims {
    ($($claim:ident),+ $(,)?) => {
        pub(crate) const CLAIMS: &[$crate::Claim] = &[$($crate::Claim::new(
            concat!(module_path!(), "::", stringify!($claim)),
            $claim,
        )),+];
    };
}
