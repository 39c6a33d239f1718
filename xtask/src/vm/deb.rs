//! Gets a kernel package and unpacks it below `target/`. Nothing is installed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::Cmd;
use crate::verbs::setup;
use crate::vm::kernels::{Wanted, newest_package};

/// A kernel that can be booted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// `6.1.0-56-amd64`, from the image's name.
    pub(crate) release: String,
    /// The compressed image.
    pub(crate) image: PathBuf,
    /// `lib/modules/RELEASE`, if there is one: everything may be built in.
    pub(crate) modules: Option<PathBuf>,
}

/// Finds it, fetching what has to be fetched. `folder` keeps packages between runs.
pub(crate) fn kernel(wanted: &Wanted, folder: &Path) -> Result<Kernel> {
    match wanted {
        Wanted::All => bail!("`all` is no single kernel"),
        Wanted::Series(series) => {
            let package = package_of(series)?;
            in_folder(&unpacked(&download(&package, folder)?, folder)?)
        }
        Wanted::Path(path) if path.is_dir() => in_folder(path),
        Wanted::Path(path) if path.extension().is_some_and(|e| e == "deb") => {
            in_folder(&unpacked(path, folder)?)
        }
        Wanted::Path(path) => Ok(image(path)),
    }
}

/// Asked twice: lists that were never fetched, or long ago, name no package or one that is gone.
fn package_of(series: &str) -> Result<String> {
    if let Some(package) = known_package(series)? {
        return Ok(package);
    }
    setup::update_lists();
    known_package(series)?.with_context(|| {
        format!(
            "apt knows no package linux-image-{series}.…-amd64: add a source that has it \
             (Debian 12 and its security archive have 6.1 and 6.12), or give `--kernel` a .deb"
        )
    })
}

fn known_package(series: &str) -> Result<Option<String>> {
    let prefix = format!("linux-image-{series}.");
    let names = Cmd::new("apt-cache").args(["pkgnames", &prefix]).read().with_context(|| {
        format!("kernels are Debian packages: without apt, give `--kernel` a file (a .deb or an image) instead of {series}")
    })?;
    Ok(newest_package(series, names.lines()).map(str::to_owned))
}

/// The package's file, fetched unless it is there whole.
fn download(package: &str, folder: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    // `'URL' FILE BYTES HASH`
    let uris = Cmd::new("apt-get")
        .args(["download", "--print-uris", package])
        .read()?;
    let mut words = uris
        .lines()
        .last()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1);
    let (name, bytes) = words
        .next()
        .zip(words.next().and_then(|b| b.parse::<u64>().ok()))
        .with_context(|| {
            format!("`apt-get download --print-uris {package}` printed no file: {uris}")
        })?;
    // apt writes an epoch's colon as `%3a`, here and in the file's name.
    let file = folder.join(name);
    if std::fs::metadata(&file).is_ok_and(|m| m.len() == bytes) {
        return Ok(file);
    }
    let download = Cmd::new("apt-get").args(["download", package]).dir(folder);
    if let Err(error) = download.run() {
        eprintln!("warning: {error:#}");
        setup::update_lists();
        download.run()?;
    }
    if !file.exists() {
        bail!("apt-get succeeded, and yet {} is not there", file.display());
    }
    Ok(file)
}

/// Folders that are being unpacked to: the process follows that does it.
pub(crate) const UNPACKING: &str = "unpacking-";

/// The folder that a package was unpacked to: whole or not at all.
fn unpacked(package: &Path, folder: &Path) -> Result<PathBuf> {
    let stem = package.file_stem().context("a package without a name")?;
    let about =
        std::fs::metadata(package).with_context(|| format!("stat {}", package.display()))?;
    // Another file of the same name is another package.
    let name = format!("{}-{}-{}", stem.display(), about.len(), about.mtime());
    let (whole, part) = (
        folder.join(name),
        folder.join(format!("{UNPACKING}{}", std::process::id())),
    );
    if whole.exists() {
        return Ok(whole);
    }
    let _ = std::fs::remove_dir_all(&part);
    std::fs::create_dir_all(&part).with_context(|| format!("create {}", part.display()))?;
    Cmd::new("dpkg-deb")
        .arg("--extract")
        .arg(package)
        .arg(&part)
        .run()?;
    std::fs::rename(&part, &whole)
        .with_context(|| format!("rename {} to {}", part.display(), whole.display()))?;
    Ok(whole)
}

/// The one kernel in an unpacked package.
fn in_folder(folder: &Path) -> Result<Kernel> {
    let boot = folder.join("boot");
    let entries = std::fs::read_dir(&boot).with_context(|| format!("list {}", boot.display()))?;
    let mut images: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("vmlinuz-"))
        })
        .collect();
    match (images.pop(), images.pop()) {
        (Some(path), None) => Ok(image(&path)),
        (None, _) => bail!("no vmlinuz-… in {}", boot.display()),
        _ => bail!(
            "more than one vmlinuz-… in {}: give the image itself",
            boot.display()
        ),
    }
}

/// An image, with the modules that stand beside it as in a package.
fn image(path: &Path) -> Kernel {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let release = name.strip_prefix("vmlinuz-").unwrap_or(&name).to_owned();
    let root = path.parent().and_then(Path::parent);
    let places = ["lib/modules", "usr/lib/modules"];
    let modules = root.and_then(|root| {
        places
            .iter()
            .map(|p| root.join(p).join(&release))
            .find(|p| p.is_dir())
    });
    Kernel {
        release,
        image: path.to_owned(),
        modules,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unpacked_package_gives_its_image_and_modules() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let make = |path: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("create");
            std::fs::write(path, "").expect("write");
        };
        make("boot/config-6.1.0-1-amd64");
        let error = in_folder(folder.path()).expect_err("no image").to_string();
        assert!(error.contains("no vmlinuz"), "{error}");
        make("boot/vmlinuz-6.1.0-1-amd64");
        let kernel = in_folder(folder.path()).expect("one image");
        assert_eq!(
            (kernel.release.as_str(), kernel.modules),
            ("6.1.0-1-amd64", None)
        );
        make("lib/modules/6.1.0-1-amd64/modules.builtin");
        let kernel = in_folder(folder.path()).expect("one image");
        assert!(kernel.modules.is_some());
        make("boot/vmlinuz-6.1.0-2-amd64");
        let error = in_folder(folder.path())
            .expect_err("two images")
            .to_string();
        assert!(error.contains("more than one"), "{error}");
    }
}
