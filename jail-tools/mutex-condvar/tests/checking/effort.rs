//! How much to explore.

use testkit::Need;

use crate::child;

/// How much time there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// In an emulated guest, ten to thirty times slower than here: a model does not know on
    /// which kernel it runs, so that there is little to learn.
    Little,
    Usual,
    /// `cargo xtask test --long`.
    Long,
}

pub(crate) fn effort() -> Effort {
    if child::is_child() {
        // It stops at the first failure, and must find it everywhere.
        Effort::Usual
    } else if Need::Guest.missing().is_none() {
        Effort::Little
    } else if std::env::var_os("JAIL_TOOLS_LONG_TESTS").is_some() {
        Effort::Long
    } else {
        Effort::Usual
    }
}
