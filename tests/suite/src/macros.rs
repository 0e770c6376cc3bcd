//! How a claim says what it claims, and ends where that is not so; and how a module lists its
//! claims.

/// The failure of a claim, as an answer.
macro_rules! failure {
    ($($text:tt)+) => {
        Err($crate::Stop::Failed($crate::Failure::new(
            file!(),
            line!(),
            format_args!($($text)+),
        )))
    };
}

/// Fails the claim here, saying so.
macro_rules! fail {
    ($($text:tt)+) => {
        return failure!($($text)+)
    };
}

/// The condition is true.
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

/// Both values are equal.
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

/// The operation succeeds; its value.
macro_rules! ok {
    ($operation:expr) => {
        match $operation {
            Ok(value) => value,
            Err(error) => fail!("{} fails with {error:?}", stringify!($operation)),
        }
    };
}

/// The operation is refused with this error, or with one of these.
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

/// Skips the claim, naming what is missing, where the condition is false.
macro_rules! needs {
    ($condition:expr, $missing:expr) => {
        if !$condition {
            return Err($crate::Stop::Skipped($missing));
        }
    };
}

/// Lists the claims of the module that it stands in, each named `module::claim`.
macro_rules! claims {
    ($($claim:ident),+ $(,)?) => {
        pub(crate) const CLAIMS: &[$crate::Claim] = &[$($crate::Claim::new(
            concat!(module_path!(), "::", stringify!($claim)),
            $claim,
        )),+];
    };
}
