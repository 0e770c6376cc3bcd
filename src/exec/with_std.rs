//! Arguments from owned strings.

use super::{Arg, Args};
use core::{ffi::c_char, fmt, marker::PhantomData, ptr::NonNull};
use std::{
    borrow::ToOwned,
    env,
    ffi::{CStr, CString, NulError, OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    vec::Vec,
};

/// The arguments or the environment of a program, made of strings that this owns.
///
/// It is made of any strings of std that are an `OsStr`, such as `&str`, `String`, `OsString` and
/// `PathBuf`. Of `CString`s it is collected.
///
/// ```
/// use owned_memfd::exec::OwnedArgs;
///
/// let args = OwnedArgs::new(["ls", "-l"])?;
/// assert_eq!(format!("{args:?}"), r#"["ls", "-l"]"#);
///
/// // One variable more than this process has.
/// let variables = std::env::vars_os().map(|(name, value)| [name, value].join("=".as_ref()));
/// let env = OwnedArgs::new(variables.chain(["COLOUR=blue".into()]))?;
/// # let _ = (args.as_args(), env.as_args());
/// # Ok::<(), std::ffi::NulError>(())
/// ```
#[doc(alias = "argv")]
#[doc(alias = "envp")]
pub struct OwnedArgs {
    /// Each string is one that `CString::into_raw` gave up. It ends in `None`.
    list: Vec<Option<Arg<'static>>>,
}

impl OwnedArgs {
    /// Makes a list of these strings: arguments, of which the first one is the program's name, or
    /// `NAME=value` for each variable of an environment.
    ///
    /// # Errors
    /// A string has a NUL inside, and the kernel would cut it off there.
    pub fn new(strings: impl IntoIterator<Item: AsRef<OsStr>>) -> Result<Self, NulError> {
        let mut made = Self { list: Vec::new() };
        for string in strings {
            // What has been made so far is freed if this fails.
            made.push(CString::new(string.as_ref().as_bytes())?);
        }
        made.list.push(None);
        Ok(made)
    }

    /// The arguments of this process, as [`std::env::args_os`].
    #[must_use]
    pub fn current() -> Self {
        Self::of_process(env::args_os())
    }

    /// The environment of this process, as [`std::env::vars_os`].
    #[must_use]
    pub fn environment() -> Self {
        Self::of_process(env::vars_os().map(|(name, value)| [name, value].join("=".as_ref())))
    }

    /// None of these strings has a NUL inside: each was a C string.
    fn of_process(strings: impl Iterator<Item = OsString>) -> Self {
        strings
            .map(|string| CString::new(string.into_vec()).unwrap_or_default())
            .collect()
    }

    fn push(&mut self, string: CString) {
        let start = NonNull::new(string.into_raw());
        self.list.push(start.map(|start| Arg(start, PhantomData)));
    }

    /// The list, for [`SealedMemFd::exec`](crate::SealedMemFd::exec).
    #[must_use]
    pub fn as_args(&self) -> Args<'_> {
        Args::ended(&self.list)
    }

    /// The strings, in their order.
    pub(crate) fn strings(&self) -> impl Iterator<Item = &CStr> {
        self.list.iter().flatten().map(|arg| {
            let start: *const c_char = arg.0.as_ptr();
            // SAFETY: the string is a C string, which lives as long as `self`.
            unsafe { CStr::from_ptr(start) }
        })
    }
}

impl FromIterator<CString> for OwnedArgs {
    fn from_iter<I: IntoIterator<Item = CString>>(strings: I) -> Self {
        let mut made = Self { list: Vec::new() };
        for string in strings {
            made.push(string);
        }
        made.list.push(None);
        made
    }
}

impl Clone for OwnedArgs {
    fn clone(&self) -> Self {
        self.strings().map(CStr::to_owned).collect()
    }
}

impl Drop for OwnedArgs {
    fn drop(&mut self) {
        for arg in self.list.iter().flatten() {
            // SAFETY: `into_raw` gave the string up, nothing has changed it, and this list is the
            // only one that has it. `as_args` lends it for no longer than the list lives.
            drop(unsafe { CString::from_raw(arg.0.as_ptr()) });
        }
    }
}

impl fmt::Debug for OwnedArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.strings()).finish()
    }
}
