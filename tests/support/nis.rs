//! A client of port 3551, written from the protocol's description alone (nis §2-§6).

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// One connection.
#[derive(Debug)]
pub struct Nis {
    stream: TcpStream,
}

impl Nis {
    /// Connects; reads and writes fail after `timeout`.
    pub fn connect(address: impl ToSocketAddrs, timeout: Duration) -> io::Result<Self> {
        let address = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends raw bytes, well-formed or not.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends one frame.
    pub fn request(&mut self, payload: &[u8]) -> io::Result<()> {
        let length = u16::try_from(payload.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.extend_from_slice(payload);
        self.send(&frame)
    }

    /// Reads one response: the payloads of its frames, without the empty one that ends it.
    pub fn response(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut records = Vec::new();
        loop {
            let mut length = [0; 2];
            self.stream.read_exact(&mut length)?;
            let length = usize::from(u16::from_be_bytes(length));
            if length == 0 {
                return Ok(records);
            }
            let mut record = vec![0; length];
            self.stream.read_exact(&mut record)?;
            records.push(record);
        }
    }

    /// One request and its response.
    pub fn ask(&mut self, payload: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        self.request(payload)?;
        self.response()
    }

    /// A `status` request, parsed.
    pub fn status(&mut self) -> io::Result<Status> {
        Ok(Status { records: text(self.ask(b"status")?) })
    }

    /// An `events` request.
    pub fn events(&mut self) -> io::Result<Vec<String>> {
        Ok(text(self.ask(b"events")?))
    }

    /// The connection itself, for tests that misuse it.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

fn text(records: Vec<Vec<u8>>) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(record).into_owned()).collect()
}

/// A status answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The records as they came, header first, each with its newline.
    pub records: Vec<String>,
}

impl Status {
    /// From the text of a status file.
    pub fn from_text(text: &str) -> Self {
        Self { records: text.split_inclusive('\n').map(str::to_owned).collect() }
    }

    /// The value of a key, without the blanks around it; `None` if the key is absent.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.records.iter().find_map(|record| {
            let (name, value) = record.split_once(':')?;
            (name.trim_end() == key).then(|| value.trim())
        })
    }

    /// True if the key is there with exactly this value (blanks around it aside).
    pub fn is(&self, key: &str, value: &str) -> bool {
        self.get(key) == Some(value)
    }

    /// True if the STATUS line has this word.
    pub fn has(&self, word: &str) -> bool {
        self.get("STATUS").is_some_and(|status| status.split_whitespace().any(|found| found == word))
    }

    /// All of it, for a failure message.
    pub fn text(&self) -> String {
        self.records.concat()
    }
}
