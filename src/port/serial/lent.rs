//! A port that a keeper opens: this process has no right to.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::keeper::{Keeper, Said};
use super::{Busy, Held, SerialPort, State};
use crate::sys::job::Job;
use crate::sys::tty::Tty;

/// How long the keeper of a port may take to open it.
const KEEPER_TIMEOUT: Duration = Duration::from_secs(10);

impl SerialPort {
    /// Has the port opened by a keeper; false: this process has the rights itself.
    pub(super) fn ask_keeper(&mut self, registry: &Registry, now: Instant) -> bool {
        let Some(socket) = self.locks.starter().start(&Job::SerialPort) else { return false };
        let begun = socket.map(Keeper::new).and_then(|keeper| {
            registry.register(&mut SourceFd(&keeper.as_raw_fd()), self.keeper_token(), Interest::READABLE)?;
            Ok(keeper)
        });
        match begun {
            Ok(keeper) => self.state = State::Opening(keeper, now + KEEPER_TIMEOUT),
            Err(error) => self.closed(now, &self.words(&error)),
        }
        true
    }

    pub(super) const fn keeper_token(&self) -> Token {
        Token(self.token.0 + 1)
    }

    /// Takes what a keeper has said.
    pub(super) fn hear_keeper(&mut self, registry: &Registry, now: Instant) {
        loop {
            let keeper = match &self.state {
                State::Opening(keeper, _) | State::Open { held: Held::There(keeper), .. } => keeper,
                State::Open { .. } | State::Closed(_) => return,
            };
            let Some(said) = keeper.receive() else { return };
            match said {
                Said::Open(fd) => self.take_tty(fd, registry, now),
                Said::Used(user) => {
                    let words = self.used(&user);
                    self.log.push_back(words);
                }
                Said::Held(holder) => self.not_opened(registry, Busy::Locked(holder), now),
                Said::Taken(holder) => {
                    let words = self.held(holder);
                    self.not_opened(registry, Busy::Told(words), now);
                }
                Said::Failed(error) => self.not_opened(registry, Busy::Error(error), now),
                Said::Gone => {
                    if let State::Open { tty, .. } = &mut self.state {
                        // A pseudo-terminal stays taken else, whoever has it open.
                        tty.own();
                        return self.gone(registry, now, "has lost the process that keeps it");
                    }
                    let error = io::Error::other("the process that opens it has ended");
                    self.not_opened(registry, Busy::Error(error), now);
                }
            }
        }
    }

    fn take_tty(&mut self, fd: OwnedFd, registry: &Registry, now: Instant) {
        let tty = Tty::lent(fd);
        let registered = registry.register(&mut SourceFd(&tty.as_raw_fd()), self.token, Interest::READABLE);
        let State::Opening(keeper, _) = std::mem::replace(&mut self.state, State::Closed(now)) else {
            return;
        };
        let opened = registered.map(|()| (tty, Held::There(keeper))).map_err(Busy::Error);
        self.handle_opened(opened, now);
    }

    pub(super) fn not_opened(&mut self, registry: &Registry, why: Busy, now: Instant) {
        self.drop_keeper(registry);
        self.handle_opened(Err(why), now);
    }

    pub(super) fn drop_keeper(&mut self, registry: &Registry) {
        if let State::Opening(keeper, at) = &self.state {
            let _ = registry.deregister(&mut SourceFd(&keeper.as_raw_fd()));
            self.state = State::Closed(*at);
        }
    }
}
