//! The main process's end of the helper's socket: messages, and among them the spare sockets that jobs are given.

#![allow(clippy::disallowed_methods, reason = "the start waits for the first spare sockets, by the clock")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::spares::SPARES;
use crate::sys::job::Job;
use crate::sys::role::Socket;
use crate::wire::helper::{FromHelper, MAX_PACKET, ToHelper};

/// How long the start waits for the first spare sockets.
const FIRST_SPARES: Duration = Duration::from_secs(2);

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Message(Vec<u8>),
    /// Nothing more for now.
    Nothing,
    /// The helper is gone.
    End,
}

/// The socket. Jobs are begun while something else is done, so it is shared.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    /// In the order in which jobs take them.
    spares: RefCell<VecDeque<OwnedFd>>,
    /// Messages that came while a spare socket was looked for.
    waiting: RefCell<VecDeque<Vec<u8>>>,
    ended: Cell<bool>,
}

impl Connection {
    /// With the spare sockets that the helper sends at once. It waits for them a moment: the first jobs are begun before the loop.
    #[must_use]
    pub fn new(socket: Socket) -> Self {
        let connection =
            Self { socket, spares: RefCell::default(), waiting: RefCell::default(), ended: Cell::new(false) };
        let deadline = Instant::now() + FIRST_SPARES;
        loop {
            connection.receive_all();
            let left = deadline.saturating_duration_since(Instant::now());
            if connection.spares.borrow().len() >= SPARES || connection.ended.get() || left.is_zero() {
                return connection;
            }
            let _ = connection.socket.wait(left);
        }
    }

    /// Has a job done; the socket over which it speaks.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`]: no spare socket has come yet, or the helper hears nothing. It is gone.
    pub fn start(&self, job: &Job<'_>) -> io::Result<OwnedFd> {
        if self.spares.borrow().is_empty() {
            self.receive_all();
        }
        if self.spares.borrow().is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let message = match *job {
            Job::UsbDevice { interface, bus, device } => ToHelper::UsbDevice { interface, bus, device },
            Job::UsbList => ToHelper::UsbList,
            Job::Resolve(number) => ToHelper::Resolve(number),
            Job::SerialPort => ToHelper::SerialPort,
            Job::PortLock => ToHelper::PortLock,
            Job::Writer(number) => ToHelper::Writer(number),
            Job::Listen(number) => ToHelper::Listen(number),
            Job::CardPort(number) => ToHelper::CardPort(number),
            Job::ListenForDriver(number) => ToHelper::ListenForDriver(number),
        };
        self.socket.send_now(&message.encode())?;
        self.spares.borrow_mut().pop_front().ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    /// The next message.
    pub fn receive(&self) -> Received {
        if !self.has_waiting() {
            self.receive_all();
        }
        match self.waiting.borrow_mut().pop_front() {
            Some(message) => Received::Message(message),
            None if self.ended.get() => Received::End,
            None => Received::Nothing,
        }
    }

    /// Whether messages have been taken from the socket already.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Sends one message without waiting.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the socket is full; another if the helper is gone.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        self.socket.send_now(message)
    }

    /// Waits for a message, so long at most.
    pub fn wait(&self, at_most: Duration) {
        let _ = self.socket.wait(at_most);
    }

    fn receive_all(&self) {
        let mut buffer = [0; MAX_PACKET + 1];
        while !self.ended.get() {
            match self.socket.receive_with(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok((length @ 1.., passed)) => {
                    let message = buffer.get(..length).unwrap_or(&[]);
                    match (FromHelper::decode(message), passed) {
                        (Some(FromHelper::Spare), passed) => self.spares.borrow_mut().extend(passed),
                        _ => self.waiting.borrow_mut().push_back(message.to_vec()),
                    }
                }
                Ok(_) | Err(_) => self.ended.set(true),
            }
        }
    }
}

impl AsRawFd for Connection {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
