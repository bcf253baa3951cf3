//! Linker flags that make the release binary a third smaller, and a debug binary start in a quarter of the time.

use std::{
    env, fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// The first folds functions with equal code, of which unoptimised generic code has thousands. The second packs relative relocations,
/// which glibc supports since 2.36.
const FLAGS: [&str; 2] = ["-Wl,--icf=all", "-Wl,-z,pack-relative-relocs"];

/// The address of a debug binary is fixed: it has more than a million relocations, which would be made at each of the thousands of starts in
/// a run of the tests.
const DEBUG_FLAG: &str = "-no-pie";

/// Linker script without the tables for unwinding: a panic ends the process, so nothing reads them.
const NO_UNWIND_TABLES: &str = "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.eh_frame_hdr) *(.gcc_except_table*) } } INSERT AFTER .rodata;\n";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name| env::var(name).unwrap_or_default();
    // Flags for another target can't be tested here: the release workflow sets them.
    if variable("CARGO_CFG_TARGET_OS") != "linux" || variable("HOST") != variable("TARGET") {
        return;
    }
    // Debug builds link faster without those of a release.
    if variable("PROFILE") != "release" {
        if works(DEBUG_FLAG) {
            println!("cargo::rustc-link-arg={DEBUG_FLAG}");
        }
        return;
    }
    let script = Path::new(&variable("OUT_DIR")).join("no_unwind_tables.ld");
    let written = fs::write(&script, NO_UNWIND_TABLES).is_ok();
    let discard = written.then(|| format!("-Wl,-T,{}", script.display()));
    for flag in FLAGS.map(str::to_owned).into_iter().chain(discard) {
        if works(&flag) {
            println!("cargo::rustc-link-arg-bins={flag}");
        }
    }
}

/// Whether this machine's linker supports a flag and its C library starts the result, tested with an empty program. So the binary runs
/// on systems like the one that built it; a static binary runs on every Linux.
fn works(flag: &str) -> bool {
    let variable = |name| env::var_os(name).unwrap_or_default();
    let program = Path::new(&variable("OUT_DIR")).join("empty");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--crate-name", "empty", "-C", &format!("link-arg={flag}"), "-o"]).arg(&program).arg("-").stdin(Stdio::piped());
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={}", linker.display()));
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\x1f').filter(|flag| !flag.is_empty())).stderr(Stdio::null());
    let compiled = rustc.spawn().and_then(|mut rustc| {
        if let Some(mut stdin) = rustc.stdin.take() {
            stdin.write_all(b"fn main() {}")?;
        }
        rustc.wait()
    });
    compiled.is_ok_and(|status| status.success()) && Command::new(&program).status().is_ok_and(|status| status.success())
}
