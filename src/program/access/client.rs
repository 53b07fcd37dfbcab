//! The blocking client of port 3551.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use crate::wire::nis::{Frame, parse_frame, push_frame};

/// Longest wait for a connection, for each address of the host (nis §4).
const CONNECT: Duration = Duration::from_secs(5);
/// Longest wait for bytes (nis §4).
const READ: Duration = Duration::from_secs(15);
/// Most bytes of an answer that are read; a server that sends without end is none.
const MOST: usize = 1 << 20;

/// Why there is no answer; each carries the words for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Contact(String),
    /// No answer, or not all of it.
    Read(String),
}

/// Asks and reads the records of the answer, each passed to `record` as it comes. A server that closes at once without a
/// byte gives no record and no error, as with 3.14.14.
///
/// # Errors
///
/// [`Failure`]. Records that came before it have been passed on.
pub fn ask(
    host: &str,
    port: u32,
    command: &str,
    limit: usize,
    record: &mut dyn FnMut(&[u8]),
) -> Result<(), Failure> {
    let mut stream = connect(host, port).map_err(|e| Failure::Contact(words(&e)))?;
    let mut request = Vec::new();
    push_frame(&mut request, command.as_bytes());
    stream.write_all(&request).map_err(|e| Failure::Read(words(&e)))?;
    let mut bytes = Vec::new();
    let mut done = 0;
    let mut chunk = [0; 4096];
    loop {
        let n = match stream.read(&mut chunk) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(Failure::Read(words(&e))),
        };
        bytes.extend_from_slice(chunk.get(..n).unwrap_or_default());
        loop {
            match parse_frame(bytes.get(done..).unwrap_or_default(), limit) {
                Ok(Some((Frame::Record(payload), size))) => {
                    record(payload);
                    done += size;
                }
                Ok(Some((Frame::End, _))) => return Ok(()),
                Ok(None) => break,
                Err(_) => return Err(Failure::Read("Invalid argument".into())),
            }
        }
        if n == 0 {
            let nothing = bytes.is_empty();
            return if nothing { Ok(()) } else { Err(Failure::Read("the answer ends in the middle".into())) };
        }
        if bytes.len() > MOST {
            return Err(Failure::Read("the answer does not end".into()));
        }
    }
}

/// Tries each address of the host; the error is that of the last one.
fn connect(host: &str, port: u32) -> io::Result<TcpStream> {
    let port = u16::try_from(port).map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
    // Words of the system for a name without address, as users of 3.14.14 know them.
    let unknown = || io::Error::other("No such device or address");
    let mut result = Err(unknown());
    if host.is_empty() {
        return result;
    }
    for address in (host, port).to_socket_addrs().map_err(|_| unknown())? {
        result = TcpStream::connect_timeout(&address, CONNECT);
        if result.is_ok() {
            break;
        }
    }
    let stream = result?;
    stream.set_read_timeout(Some(READ))?;
    stream.set_write_timeout(Some(READ))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The words of strerror(3), without the number that Rust appends.
fn words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "Connection timed out".into(),
        ErrorKind::InvalidInput if error.raw_os_error().is_none() => "Invalid argument".into(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}
