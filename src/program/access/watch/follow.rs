//! The connection that is watched: pushes where the server has them, else a question each second; lost, it is made again.

use std::thread;
use std::time::{Duration, Instant};

use crate::port::lookup;
use crate::program::access::client::{Connection, LIMITS, LookUp};
use crate::program::access::failure::{Cause, Failure};
use crate::program::access::{MAX_EVENT, Target};
use crate::ups::StatusFlags;
use crate::wire::nis::split_record;
use crate::wire::nis_status::MasterStatus;

/// A server that does not push, or whose UPS is on battery, is asked so long after each answer.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Without an answer for so long the connection is lost; a server that pushes says something every 10 s (mainsd-nis(7)).
const SILENCE: Duration = Duration::from_secs(15);
/// The events are asked for at each change, and so long after the last time.
const EVENTS_AGAIN: Duration = Duration::from_secs(10);
/// A lost connection is made again after this time.
const RETRY: Duration = Duration::from_secs(2);
/// A server that shuts down waits for those who watch: it is asked again only after this time, when it waits no longer for who
/// asks again (mainsd-nis(7)).
const SHUTDOWN: Duration = Duration::from_secs(130);

/// What has come.
pub enum Heard {
    /// A status, read and as it is; whether the server says by itself what changes.
    Status(Box<MasterStatus>, Vec<u8>, bool),
    /// The end of the events file.
    Events(Vec<u8>),
    /// There is no connection.
    Lost(Failure),
}

/// Follows a server, for ever.
pub fn follow(target: &Target, tell: &dyn Fn(Heard)) {
    let mut pushes = true;
    loop {
        let pause = match session(target, &mut pushes, tell) {
            Ok(()) => SHUTDOWN,
            Err(failure) => {
                tell(Heard::Lost(failure));
                RETRY
            }
        };
        thread::sleep(pause);
    }
}

/// One connection, until it is lost or the server shuts down.
fn session(target: &Target, pushes: &mut bool, tell: &dyn Fn(Heard)) -> Result<(), Failure> {
    let at = (target.host.as_str(), target.port);
    // This thread may wait for the resolver, and must start no child: the other one goes on meanwhile.
    let look_up: LookUp = |host, port, _| Ok(lookup::here(host, port));
    let mut connection = Connection::open(at, look_up, LIMITS, Instant::now() + LIMITS.total)?;
    connection.send(if *pushes { "watch" } else { "status" }, SILENCE)?;
    // Whether silence means a loss; and whether it does when the events have come.
    let (mut due, mut calm) = (true, true);
    let mut first = true;
    let mut shown = None;
    loop {
        let bytes = match connection.answer(MAX_EVENT, if due { SILENCE } else { ASK_AGAIN }) {
            Ok(bytes) => bytes,
            Err(Cause::TimedOut) if !due => {
                connection.send("status", SILENCE)?;
                due = true;
                continue;
            }
            Err(cause) => {
                // A server that closes may do so because of what it was asked.
                *pushes &= !(first && cause == Cause::Silent);
                return Err(Failure::Read(cause));
            }
        };
        let records = bytes.split_inclusive(|byte| *byte == b'\n').filter_map(split_record);
        let Some(status) = MasterStatus::of_records(records) else {
            if std::mem::take(&mut first) && *pushes {
                *pushes = false;
                connection.send("status", SILENCE)?;
            } else {
                due = calm;
                tell(Heard::Events(bytes));
            }
            continue;
        };
        first = false;
        let (flags, now) = (status.flags, Instant::now());
        calm = *pushes && !flags.contains(StatusFlags::ONBATT);
        due = calm;
        tell(Heard::Status(Box::new(status), bytes, *pushes));
        if flags.contains(StatusFlags::SHUTDOWN) {
            return Ok(());
        }
        if shown.is_none_or(|(before, at)| before != flags || now >= at + EVENTS_AGAIN) {
            shown = Some((flags, now));
            connection.send("events", SILENCE)?;
            due = true;
        }
    }
}
