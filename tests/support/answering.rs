//! A server of port 3551 that answers whatever a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use super::Finished;

/// What a server might send to take a terminal over.
pub const HOSTILE: &[u8] = b"UPSNAME  : \x1b]0;owned\x07\x1b[2J\xc2\x9b31m\x9b\rx\n";

/// A server that takes connections one after the other, reads a request of each, sends these bytes and closes.
pub fn server(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut length = [0; 2];
            if stream.read_exact(&mut length).is_ok() {
                let _ = stream.read_exact(&mut vec![0; usize::from(u16::from_be_bytes(length))]);
                let _ = stream.write_all(&answer);
            }
        }
    });
    address
}

/// An answer of these records.
pub fn framed(records: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
        bytes.extend(*record);
    }
    bytes.extend([0, 0]);
    bytes
}

/// Exit status, standard output and standard error.
pub fn ended(done: &Finished) -> (i32, &str, &str) {
    (done.status.code().unwrap(), &done.stdout, &done.stderr)
}
