//! How much to explore.

use testkit::Need;

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
    if Need::Guest.missing().is_none() {
        Effort::Little
    } else if std::env::var_os("JAIL_TOOLS_LONG_TESTS").is_some() {
        Effort::Long
    } else {
        Effort::Usual
    }
}
