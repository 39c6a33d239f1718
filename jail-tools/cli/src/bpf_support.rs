//! What this kernel takes of BPF, found out by trying: for `doctor`.

use std::fmt::Write;

use probes::kinds::{self, Kind};
use probes::layout::Field;
use probes::{Options, Probes};
use record::manifest::Armed;
use serde::Serialize;

/// What was tried, and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct BpfSupport {
    /// Where the object came from.
    object: String,
    /// The probes of the ledger: attached for a moment, or why not.
    programs: Vec<Armed>,
    /// Fields of this very task, read at offsets from the kernel's BTF.
    layout: Vec<Field>,
    /// Other kinds of attachment, or why none could be tried.
    kinds: Result<Vec<Kind>, String>,
}

impl BpfSupport {
    /// Loads and attaches everything once, and detaches it again.
    ///
    /// # Errors
    /// In words: nothing could be loaded at all.
    pub(crate) fn try_out() -> Result<Self, String> {
        let object = crate::object::find().map_err(|e| format!("{e:#}"))?;
        let probes = Probes::load(&object, Options::default()).map_err(|e| e.to_string())?;
        Ok(Self {
            object: object.origin.clone(),
            programs: probes.armed().to_vec(),
            layout: probes.layout().to_vec(),
            kinds: kinds::of_this_kernel(&object),
        })
    }
}

/// For people, in the form of doctor's other lines.
pub(crate) fn lines(tried: &Result<BpfSupport, String>) -> String {
    let mut text = String::from("\nwhat this kernel takes of BPF, tried just now:\n");
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(text, "  {name:<22} {what}");
    };
    match tried {
        Err(why) => line("nothing", why),
        Ok(support) => {
            let missing: Vec<&Armed> = support
                .programs
                .iter()
                .filter(|p| p.missing.is_some())
                .collect();
            let all = support.programs.len();
            line(
                "probes",
                &format!("{} of {all} attach", all - missing.len()),
            );
            for program in missing {
                line(
                    &program.name,
                    program.missing.as_deref().unwrap_or_default(),
                );
            }
            let fields: Vec<String> = support
                .layout
                .iter()
                .map(|f| format!("{} at {}", f.name, f.offset))
                .collect();
            line(
                "offsets",
                &format!("right for this task: {}", fields.join(", ")),
            );
            match &support.kinds {
                Err(why) => line("other attachments", &format!("not tried: {why}")),
                Ok(kinds) => {
                    for kind in kinds {
                        let refused = kind.refused.as_ref().map(|why| format!("refused: {why}"));
                        line(kind.name, refused.as_deref().unwrap_or("attaches"));
                    }
                }
            }
        }
    }
    text
}
