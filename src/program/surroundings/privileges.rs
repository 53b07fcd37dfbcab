//! What the process that reads the UPS could give up on another machine.

use std::path::Path;

use super::Found;
use crate::sys::access::is_root;
use crate::sys::call_filter;
use crate::sys::rights;

impl Found<'_> {
    /// `root`: what stands for `/`.
    pub(super) fn privileges(&mut self, root: &Path) {
        if is_root() {
            self.privileges_of_daemon(root);
        }
    }

    /// Of a daemon that root starts, whoever asks.
    pub(super) fn privileges_of_daemon(&mut self, root: &Path) {
        if self.parsed.config.privsep {
            let passwd = std::fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
            self.privileges_of_root(&passwd, call_filter::is_possible());
        }
    }

    pub(super) fn privileges_of_root(&mut self, passwd: &str, can_filter: bool) {
        if !rights::find_user(passwd).1 {
            let text = "there is no user mainsd on this machine: the process that reads the UPS and the network runs as nobody, whom \
                        other programs share; 'useradd --system --no-create-home --shell /usr/sbin/nologin mainsd' makes one";
            self.warn("PRIVSEP", text.to_owned());
        }
        if !can_filter {
            let text = "this kernel refuses a process no system calls (CONFIG_SECCOMP_FILTER): whoever takes over the process that \
                        reads the UPS and the network can make any that its user may";
            self.warn("PRIVSEP", text.to_owned());
        }
    }
}
