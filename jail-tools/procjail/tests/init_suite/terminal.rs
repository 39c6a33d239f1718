//! A terminal made by the test, which sits at its other side.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{LocalFlags, OutputFlags, SetArg, tcgetattr, tcsetattr};

use crate::lines::Lines;
use crate::verdict::Why;

pub(crate) struct Terminal {
    pub(crate) reader: Lines,
    pub(crate) writer: File,
}

impl Terminal {
    /// Our side, and the side of programs.
    pub(crate) fn open() -> Result<(Self, OwnedFd), Why> {
        // Close-on-exec, so that no program of another test keeps it open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).map_err(std::io::Error::from)?;
        grantpt(&master).map_err(std::io::Error::from)?;
        unlockpt(&master).map_err(std::io::Error::from)?;
        let name = ptsname_r(&master).map_err(std::io::Error::from)?;
        let slave: OwnedFd = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(name)?
            .into();
        // Lines come back as they were written, and what is typed does not come back.
        let mut settings = tcgetattr(&slave).map_err(std::io::Error::from)?;
        settings.local_flags.remove(LocalFlags::ECHO);
        settings.output_flags.remove(OutputFlags::OPOST);
        tcsetattr(&slave, SetArg::TCSANOW, &settings).map_err(std::io::Error::from)?;
        let master: OwnedFd = master.into();
        let writer = File::from(master.try_clone()?);
        let reader = Lines::new(master)?;
        Ok((Self { reader, writer }, slave))
    }
}
