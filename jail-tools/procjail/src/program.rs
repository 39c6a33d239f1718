//! What is executed, where it may be found, and with which environment. Pure.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::error::Error;
use crate::prepared::{CStrings, Program, ShellArgv};
use crate::spec::Environment;

/// Where programs are looked up if there is no PATH (as in bash's and glibc's defaults, without the
/// current directory).
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Variables that a command keeps: who and where one is, and how text is shown. Everything else may
/// be a secret, or change what a program loads.
const KEPT: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "COLORTERM",
    "LANG",
    "LANGUAGE",
    "TZ",
    "COLUMNS",
    "LINES",
];

/// A variable and its value.
pub(crate) type Variable = (OsString, OsString);

/// The command's environment from the caller's.
pub(crate) fn environment(caller: &[Variable], wanted: &Environment, scrub: bool) -> Vec<Variable> {
    let kept = |name: &OsStr| {
        !scrub
            || KEPT.iter().any(|k| *k == name)
            || name.as_bytes().starts_with(b"LC_")
            || wanted.keep.iter().any(|k| k == name)
    };
    let is_in = |set: &[Variable], name: &OsStr| set.iter().any(|(n, _)| n == name);
    // Of one that is set again the last value holds.
    let set = wanted.set.iter().enumerate();
    let set = set.filter(|(at, (name, _))| !is_in(&wanted.set[at + 1..], name));
    caller
        .iter()
        .filter(|(name, _)| kept(name) && !is_in(&wanted.set, name))
        .chain(set.map(|(_, variable)| variable))
        .cloned()
        .collect()
}

/// The program in C's form.
///
/// # Errors
/// No command, or a null byte in a word.
pub(crate) fn program(command: &[OsString], environment: &[Variable]) -> Result<Program, Error> {
    let name = command.first().ok_or(Error::NoCommand)?;
    let path = environment.iter().find(|(name, _)| name == "PATH");
    let path = path.map_or(DEFAULT_PATH, |(_, path)| path.as_bytes());
    let candidates = candidates(name.as_bytes(), path)
        .into_iter()
        .map(c_string)
        .collect::<Result<_, _>>()?;
    let argv = command
        .iter()
        .map(|word| c_string(word.as_bytes().to_vec()))
        .collect::<Result<_, _>>()?;
    let argv = CStrings::new(argv);
    let envp = environment
        .iter()
        .map(|(name, value)| c_string([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect::<Result<_, _>>()?;
    Ok(Program {
        candidates,
        shell_argv: ShellArgv::new(&argv),
        argv,
        envp: CStrings::new(envp),
    })
}

/// A name with a slash is a path; another is looked up, where an empty part of PATH means the
/// current directory (POSIX.1-2024, XBD 8.3).
fn candidates(name: &[u8], path: &[u8]) -> Vec<Vec<u8>> {
    if name.is_empty() {
        return Vec::new();
    }
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    path.split(|b| *b == b':')
        .map(|dir| if dir.is_empty() { b".".as_slice() } else { dir })
        .map(|dir| [dir, b"/", name].concat())
        .collect()
}

/// A string without a null byte, ended by one.
///
/// # Errors
/// There is one in it.
pub(crate) fn c_string(bytes: Vec<u8>) -> Result<CString, Error> {
    CString::new(bytes).map_err(|error| Error::NullByte {
        word: OsString::from_vec(error.into_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(words: &[(&str, &str)]) -> Vec<Variable> {
        words.iter().map(|(n, v)| (n.into(), v.into())).collect()
    }

    #[test]
    fn secrets_and_loader_variables_do_not_get_in() {
        let caller = variables(&[
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("LD_PRELOAD", "/tmp/x.so"),
            ("KEEP", "1"),
            ("HOME", "/root"),
        ]);
        let wanted = Environment {
            set: variables(&[("HOME", "/"), ("NEW", "2")]),
            keep: vec!["KEEP".into()],
        };
        assert_eq!(
            environment(&caller, &wanted, true),
            variables(&[
                ("PATH", "/bin"),
                ("LC_ALL", "C"),
                ("KEEP", "1"),
                ("HOME", "/"),
                ("NEW", "2")
            ])
        );
        assert_eq!(environment(&caller, &wanted, false).len(), 7);
    }

    #[test]
    fn a_variable_that_is_set_again_has_the_last_value_and_only_that() {
        let wanted = Environment {
            set: variables(&[("A", "1"), ("B", "2"), ("A", "3")]),
            keep: vec![],
        };
        let expected = variables(&[("B", "2"), ("A", "3")]);
        assert_eq!(environment(&[], &wanted, true), expected);
    }

    #[test]
    fn a_name_is_looked_up_and_a_path_is_not() {
        let at = |name: &str, path: &str| {
            candidates(name.as_bytes(), path.as_bytes())
                .into_iter()
                .map(|c| String::from_utf8(c).expect("text"))
                .collect::<Vec<_>>()
        };
        assert_eq!(at("ls", "/a:/b"), ["/a/ls", "/b/ls"]);
        assert_eq!(at("ls", "/a::"), ["/a/ls", "./ls", "./ls"]);
        assert_eq!(at("./ls", "/a"), ["./ls"]);
        assert_eq!(at("", "/a"), Vec::<String>::new());
    }

    #[test]
    fn a_null_byte_is_an_error_that_shows_the_word() {
        let error = program(&["a".into(), "b\0c".into()], &[]).expect_err("a null byte");
        assert!(matches!(error, Error::NullByte { .. }), "{error}");
    }
}
