//! What the model goes by: the behaviour of this kernel and, to see that a wrong model is noticed,
//! one rule that is wrong.

use crate::behaviour::Behaviour;

/// A rule of the model that is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A clone has an offset of its own.
    OwnOffset,
    /// What is cut off is there again when the file gets longer.
    KeepsWhatIsCut,
    /// Seals can be added after `SEAL`.
    OpenForSeals,
    /// A file can be sealed against writing while it is mapped for writing.
    NeverBusy,
    /// The second half of a mirrored map shows what comes after the first one.
    NoMirror,
    /// What is written into a copy changes sealed files.
    SharedCopy,
    /// A reader that moves its position is at the start.
    SeekRewinds,
    /// Receiving takes the next message too.
    LosesMessages,
    /// A stream keeps messages apart.
    KeepsApart,
    /// Copying leaves the offset of the source where it was.
    CopyStays,
}

impl Wrong {
    pub(crate) const ALL: [Self; 10] = [
        Self::OwnOffset,
        Self::KeepsWhatIsCut,
        Self::OpenForSeals,
        Self::NeverBusy,
        Self::NoMirror,
        Self::SharedCopy,
        Self::SeekRewinds,
        Self::LosesMessages,
        Self::KeepsApart,
        Self::CopyStays,
    ];
}

#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) behaviour: Behaviour,
    wrong: Option<Wrong>,
}

impl Rules {
    pub(crate) fn right(behaviour: Behaviour) -> Self {
        let wrong = None;
        Self { behaviour, wrong }
    }

    pub(crate) fn with(&self, wrong: Wrong) -> Self {
        let wrong = Some(wrong);
        Self {
            wrong,
            ..self.clone()
        }
    }

    pub(crate) fn is(&self, wrong: Wrong) -> bool {
        self.wrong == Some(wrong)
    }
}
