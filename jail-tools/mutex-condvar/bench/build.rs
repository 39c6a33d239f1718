//! Compiles the C peer. Optimised always: a peer of a debug build would say nothing.

fn main() {
    println!("cargo::rerun-if-changed=c/ring.c");
    cc::Build::new()
        .file("c/ring.c")
        .opt_level(3)
        .flag("-pthread")
        .warnings(true)
        .extra_warnings(true)
        .compile("ring");
    println!("cargo::rustc-link-lib=pthread");
}
