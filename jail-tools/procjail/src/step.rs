//! The steps between a clone and the command, so that the one that failed can be named.

macro_rules! steps {
    ($($(#[doc = $doc:literal])? $name:ident = $number:literal : $text:literal),+ $(,)?) => {
        /// A step of the set-up, in the jail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u32)]
        pub(crate) enum Step {
            $($(#[doc = $doc])? $name = $number),+
        }

        impl Step {
            /// One more than the highest number.
            pub(crate) const COUNT: usize = 32;

            /// The step of a number; `None` for none.
            pub(crate) fn numbered(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// Its name.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }

            /// What it does, as in "could not …".
            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }
        }
    };
}

steps! {
    Watch = 1: "ask for the supervisor's death (prctl PR_SET_PDEATHSIG)",
    JoinCgroup = 2: "join the cgroup (write to cgroup.procs)",
    AwaitGo = 3: "wait for the supervisor (read from a pipe)",
    BecomeRoot = 4: "become root of the user namespace (setresgid, setresuid)",
    CgroupNamespace = 5: "make a cgroup namespace (unshare)",
    TimeNamespace = 6: "make a time namespace (unshare, /proc/self/timens_offsets)",
    Hostname = 7: "set the host name (sethostname)",
    Source = 8: "take hold of what is to be mounted (open_tree)",
    Private = 9: "cut the mounts off from the host's (mount_setattr)",
    Root = 10: "make the root (move_mount, pivot_root)",
    Mount = 11: "mount",
    Workdir = 12: "change to the working directory (chdir)",
    Pid1 = 13: "become PID 1 (prctl, capset)",
    Spawn = 14: "start the command's process (clone)",
    Session = 15: "make a session or process group (setsid, setpgid)",
    Terminal = 16: "take the terminal (tcsetpgrp)",
    Keyring = 17: "join a new session keyring (keyctl)",
    Rlimit = 18: "set a resource limit (setrlimit)",
    Bounding = 19: "drop capabilities from the bounding set (prctl)",
    Groups = 20: "drop the supplementary groups (setgroups)",
    User = 21: "become another user (setresgid, setresuid)",
    NoNewPrivs = 22: "give up new privileges (prctl PR_SET_NO_NEW_PRIVS)",
    Landlock = 23: "restrict itself by Landlock (landlock_restrict_self)",
    Seccomp = 24: "load the system call filter (seccomp)",
    Caps = 25: "set the capabilities (capset)",
    Fds = 26: "close what is not passed (close_range)",
    Mask = 27: "restore the signal mask (rt_sigprocmask)",
    Exec = 28: "execute",
    Executed = 29: "go on after the command's exec",
    Ended = 30: "end with the command",
    Clone = 31: "be started",
}
