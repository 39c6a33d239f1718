//! Prints the facts of this machine, what they mean, and a decision, as JSON:
//! `cargo run -p host --example facts [PATH]`.

use std::path::PathBuf;

use host::{IdlePolicy, Wishes};

fn main() {
    let path = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let facts = host::observe(Some(&path));
    let wishes = Wishes {
        threads: 1,
        cpus: None,
        isolate: true,
        isolate_within: None,
        idle: IdlePolicy::Poll,
    };
    println!(
        "{:#}",
        serde_json::json!({ "facts": facts, "doctor": host::doctor(&facts) })
    );
    println!("{:#?}", host::decide(&facts, &wishes));
}
