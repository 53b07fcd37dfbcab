//! The web server of the card.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

use super::Unit;

/// How it answers.
#[derive(Debug, Default)]
pub struct Web {
    /// So much more is on the page.
    pub filler: usize,
    /// The page has a length, and comes in no chunks.
    pub plain: bool,
    /// It closes the connection after each answer.
    pub closes: bool,
    /// Every order is refused.
    pub refuses: bool,
    /// Of the page that was asked for last.
    pub challenge: String,
    /// Right orders so far.
    pub orders: usize,
}

/// Takes and answers what has come.
pub fn serve(listener: &TcpListener, clients: &mut Vec<(TcpStream, Vec<u8>)>, unit: &Mutex<Unit>) {
    if let Ok((client, _)) = listener.accept() {
        client.set_nonblocking(true).unwrap();
        clients.push((client, Vec::new()));
    }
    clients.retain_mut(|(client, come)| {
        let mut buffer = [0; 2048];
        match client.read(&mut buffer) {
            Ok(0) => return false,
            Ok(length) => come.extend_from_slice(&buffer[..length]),
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
        let text = String::from_utf8_lossy(come).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return true };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
        if body.len() < length.unwrap_or(0) {
            return true;
        }
        come.clear();
        let mut unit = unit.lock().unwrap();
        let answer = answer(head, body, &mut unit);
        client.set_nonblocking(false).unwrap();
        let _ = client.write_all(&answer);
        client.set_nonblocking(true).unwrap();
        !unit.web.closes
    });
}

fn answer(head: &str, body: &str, unit: &mut Unit) -> Vec<u8> {
    let end = if unit.web.closes { "Connection: close\r\n" } else { "" };
    if head.starts_with("GET /macontrol.htm HTTP/1.1\r\n") {
        let page = unit.page();
        let mut out = format!("HTTP/1.1 200 OK\r\n{end}").into_bytes();
        if unit.web.plain {
            out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", page.len()).as_bytes());
            out.extend_from_slice(&page);
        } else {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in page.chunks(700) {
                out.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                out.extend_from_slice(chunk);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\n\r\n");
        }
        return out;
    }
    let is_form = head.starts_with("POST /Forms/macontrol1 HTTP/1.1\r\n");
    if is_form && body == unit.wanted() && !unit.web.refuses {
        unit.web.orders += 1;
        return format!(
            "HTTP/1.1 303 See Other\r\nLocation: /macontrol.htm\r\n{end}Content-Length: 0\r\n\r\n"
        )
        .into_bytes();
    }
    format!("HTTP/1.1 403 Forbidden\r\n{end}Content-Length: 0\r\n\r\n").into_bytes()
}
