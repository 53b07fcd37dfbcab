//! The blocking client of port 3551.

#![allow(clippy::disallowed_methods, reason = "a program of its own, which waits for the server")]

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::failure::{Cause, Failure};
use crate::port::lookup;
use crate::sys::reason;
use crate::wire::nis::{Frame, parse_frame, push_frame};

/// How long a query may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connection, to each address of the host (nis §4).
    pub connect: Duration,
    /// Without a byte (nis §4).
    pub silence: Duration,
    /// In all, from the look-up of the name to the last byte, whatever comes meanwhile.
    pub total: Duration,
}

/// Those of the program.
pub const LIMITS: Limits = Limits {
    connect: Duration::from_secs(5),
    silence: Duration::from_secs(15),
    total: Duration::from_secs(60),
};

/// Most bytes of an answer that are read; a server that sends without end is none.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Asks and reads the records of the answer, each passed to `record` as it comes. `longest` is the length of the longest
/// frame that is taken, in bytes.
///
/// # Errors
///
/// [`Failure`]. Records that came before it have been passed on.
pub fn ask(
    (host, port): (&str, u32),
    command: &str,
    longest: usize,
    limits: Limits,
    record: &mut dyn FnMut(&[u8]),
) -> Result<(), Failure> {
    let deadline = Instant::now() + limits.total;
    let mut connection = Connection::open((host, port), by_child, limits, deadline)?;
    let left = remaining(deadline).map_err(Failure::Read)?;
    connection.send(command, left.min(limits.silence))?;
    while let Some(payload) = connection.frame(longest, limits.silence, deadline).map_err(Failure::Read)? {
        record(&payload);
    }
    Ok(())
}

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// What has come of an answer.
    bytes: Vec<u8>,
    /// How far its frames have been read.
    done: usize,
    /// Their payloads.
    #[cfg(feature = "tools")]
    text: Vec<u8>,
}

impl Connection {
    /// Connects, until `deadline`.
    ///
    /// # Errors
    ///
    /// [`Failure::Contact`].
    pub fn open(
        (host, port): (&str, u32),
        look_up: LookUp,
        limits: Limits,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let stream = connect((host, port), look_up, limits, deadline).map_err(Failure::Contact)?;
        Ok(Self {
            stream,
            bytes: Vec::new(),
            done: 0,
            #[cfg(feature = "tools")]
            text: Vec::new(),
        })
    }

    /// Asks; the system may take so long to accept the bytes.
    ///
    /// # Errors
    ///
    /// [`Failure::Read`].
    pub fn send(&mut self, command: &str, within: Duration) -> Result<(), Failure> {
        let mut request = Vec::new();
        push_frame(&mut request, command.as_bytes());
        self.stream
            .set_write_timeout(Some(within))
            .and_then(|()| self.stream.write_all(&request))
            .map_err(|error| Failure::Read(cause(&error)))
    }

    /// A whole answer, its records together. After [`Cause::TimedOut`] it can be waited for again.
    ///
    /// # Errors
    ///
    /// What failed.
    #[cfg(feature = "tools")]
    pub fn answer(&mut self, longest: usize, within: Duration) -> Result<Vec<u8>, Cause> {
        while let Some(payload) = self.frame(longest, within, Instant::now() + within)? {
            self.text.extend(payload);
        }
        Ok(std::mem::take(&mut self.text))
    }

    /// The next record; `None`: the answer is complete.
    fn frame(
        &mut self,
        longest: usize,
        silence: Duration,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>, Cause> {
        let mut chunk = [0; 4096];
        loop {
            match parse_frame(self.bytes.get(self.done..).unwrap_or_default(), longest) {
                Ok(Some((Frame::Record(payload), size))) => {
                    let payload = payload.to_vec();
                    self.done += size;
                    return Ok(Some(payload));
                }
                Ok(Some((Frame::End, size))) => {
                    self.bytes.drain(..self.done + size);
                    self.done = 0;
                    return Ok(None);
                }
                Ok(None) => {}
                Err(_) => return Err(Cause::NotTheProtocol),
            }
            if self.bytes.len() > ANSWER_BYTES_MAX {
                return Err(Cause::Endless);
            }
            let left = remaining(deadline)?.min(silence);
            self.stream.set_read_timeout(Some(left)).map_err(|error| cause(&error))?;
            match self.stream.read(&mut chunk) {
                Ok(0) if self.bytes.is_empty() => return Err(Cause::Silent),
                Ok(0) => return Err(Cause::BrokenOff),
                Ok(n) => self.bytes.extend_from_slice(chunk.get(..n).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(cause(&error)),
            }
        }
    }
}

/// What is left of the time; never nothing, which would mean for ever.
fn remaining(deadline: Instant) -> Result<Duration, Cause> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Cause::TimedOut) } else { Ok(left) }
}

/// Tries each address of the host; the error is that of the last one.
fn connect(
    (host, port): (&str, u32),
    look_up: LookUp,
    limits: Limits,
    deadline: Instant,
) -> Result<TcpStream, Cause> {
    let port = u16::try_from(port).map_err(|_| Cause::BadPort)?;
    let mut result = Err(Cause::NoHost);
    for address in addresses(host, port, look_up, deadline)? {
        let left = remaining(deadline)?;
        result = TcpStream::connect_timeout(&address, left.min(limits.connect)).map_err(|e| cause(&e));
        if result.is_ok() {
            break;
        }
    }
    let stream = result?;
    stream.set_nodelay(true).map_err(|e| cause(&e))?;
    Ok(stream)
}

/// A way to look a name up.
pub type LookUp = fn(&str, u16, Instant) -> Result<Vec<SocketAddr>, Cause>;

/// The system's resolver cannot be told how long to wait, so a child waits for it. For a program with one thread.
fn by_child(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Cause> {
    lookup::wait(host, port, remaining(deadline)?).map_err(|e| cause(&e))?.ok_or(Cause::TimedOut)
}

/// The addresses of a host.
fn addresses(host: &str, port: u16, look_up: LookUp, deadline: Instant) -> Result<Vec<SocketAddr>, Cause> {
    if host.is_empty() {
        return Err(Cause::NoHost);
    }
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    look_up(host, port, deadline)
}

fn cause(error: &io::Error) -> Cause {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Cause::TimedOut,
        ErrorKind::ConnectionRefused => Cause::Refused,
        _ => Cause::System(reason(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn the_program_gives_a_query_a_minute() {
        assert_eq!(LIMITS.total, Duration::from_secs(60));
    }

    /// A server that is never silent for long and never done, until the client has gone.
    fn dripping(drop: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(drop).is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        address
    }

    #[test]
    fn a_server_that_drips_is_given_up_when_the_time_in_all_is_over() {
        // Bytes of a frame of 257 that never comes to its end, and whole frames without the end of the answer.
        for (drop, whole) in [(&b"\x01"[..], false), (b"\0\x04a:b\n", true)] {
            let address = dripping(drop);
            let limits = Limits { total: Duration::from_millis(500), ..LIMITS };
            let mut records = 0;
            let host = address.ip().to_string();
            let asked = ask((&host, address.port().into()), "status", 1023, limits, &mut |_| records += 1);
            assert_eq!(asked, Err(Failure::Read(Cause::TimedOut)));
            assert_eq!(records > 0, whole);
        }
    }

    #[test]
    fn a_name_without_address_and_a_port_out_of_range_are_told_apart() {
        let of = |host: &str, port| ask((host, port), "status", 10, LIMITS, &mut |_| {});
        assert_eq!(of("", 3551), Err(Failure::Contact(Cause::NoHost)));
        assert_eq!(of("host.invalid", 3551), Err(Failure::Contact(Cause::NoHost)));
        assert_eq!(of("127.0.0.1", 65_536), Err(Failure::Contact(Cause::BadPort)));
    }
}
