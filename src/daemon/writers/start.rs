//! Starts the processes of writers.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::task;
use crate::journal::Sink;
use crate::sys::job::{Job, Starter};
use crate::sys::passing::socket_pair;
use crate::sys::rights;
use crate::sys::role::{Kind, Process, Role};

/// Starts the process of a writer; another one in tests, so that it can be made to fail.
#[derive(Clone)]
pub struct Fork(pub(super) Rc<Start>);

pub(super) type Start = dyn Fn(&mut Sink) -> std::io::Result<Role>;

impl std::fmt::Debug for Fork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fork")
    }
}

/// Has processes started by who has the rights.
#[must_use]
pub fn fork(starter: Starter) -> Fork {
    Fork(Rc::new(move |sink| {
        if let Some(socket) = starter.start(&Job::Writer(sink.number())) {
            return socket.map(Role::of_another);
        }
        let (ours, theirs) = socket_pair()?;
        serve(sink, theirs).map(|process| Role::of_child(process, ours))
    }))
}

/// Starts a process that writes to this sink, with this end of its socket.
///
/// # Errors
/// No process left.
pub fn serve(sink: &mut Sink, socket: OwnedFd) -> std::io::Result<Process> {
    let (kept, streams) = (sink.kept(), sink.streams());
    let kind = Kind { name: sink.process_name(), kept: kept.as_slice(), streams, has_loop: false };
    Process::start(
        &kind,
        socket,
        || (),
        |socket| {
            rights::keep_for_files(matches!(sink, Sink::Files(_)));
            task::run(sink, &socket);
        },
    )
}
