//! Three-valued truth (Kleene's): what is not known is neither held to be true nor false.

/// No, maybe, yes, in that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    No,
    Maybe,
    Yes,
}

impl Truth {
    pub fn of(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }
    #[must_use]
    pub fn negate(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }
}
