//! What the probes can see on this machine, and what it means where they can't.

use host::remedy::{Eye, NO_PROBES};
use probes::object_file::ObjectFile;
use probes::{LoadError, Options, Probes};
use record::ledger::CAUSES;
use runner::wire::Sight;

/// What it means.
const BLIND: &str = "where the time went is inferred from the kernel's accounting of each thread, as far as that \
    goes; hits and misses are told by the oracle only";

/// Probes that were loaded, or the named degradation.
pub(crate) enum Eyes {
    /// Loaded and attached.
    Open(Box<Probes>),
    /// Not at all.
    Closed(Shut),
}

/// Why there are no probes.
#[derive(Debug, Clone)]
pub(crate) struct Shut {
    /// What would have to change.
    pub(crate) eye: Eye,
    /// In words.
    pub(crate) why: String,
}

impl Shut {
    fn by(error: &LoadError) -> Self {
        let eye = match error {
            LoadError::Object { .. } => Eye::Object,
            LoadError::Btf(_) | LoadError::Refused { .. } => Eye::Probes,
            LoadError::Layout { .. } => Eye::Kernel,
        };
        Self {
            eye,
            why: error.to_string(),
        }
    }
}

impl Eyes {
    /// Tries to load the object. Everything works without it, but blind.
    pub(crate) fn open(object: anyhow::Result<ObjectFile>, options: Options) -> Self {
        let loaded = object
            .map_err(|e| Shut {
                eye: Eye::Object,
                why: format!("{e:#}"),
            })
            .and_then(|o| Probes::load(&o, options).map_err(|e| Shut::by(&e)));
        match loaded {
            Ok(probes) => Self::Open(Box::new(probes)),
            Err(shut) => Self::Closed(shut),
        }
    }

    /// They were not wanted.
    pub(crate) fn closed() -> Self {
        Self::Closed(Shut {
            eye: Eye::SwitchedOff(NO_PROBES),
            why: NO_PROBES.into(),
        })
    }

    /// What they see, if anything.
    pub(crate) fn sight(&self) -> Option<Sight> {
        match self {
            Self::Open(probes) => Some(Sight::of(probes)),
            Self::Closed(_) => None,
        }
    }

    /// Named degradations: one line for each part of the ledger that can't be observed.
    pub(crate) fn degraded(&self) -> Vec<String> {
        match self {
            Self::Closed(shut) => vec![format!("no probes ({}): {BLIND}", shut.why)],
            Self::Open(probes) => {
                let blind = probes.blind().iter().zip(CAUSES);
                blind
                    .filter_map(|(why, c)| {
                        Some(format!("{} is unavailable: {}", c.column, why.as_ref()?))
                    })
                    .collect()
            }
        }
    }
}
