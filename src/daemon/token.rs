//! Token ranges of the loop: each source owns a range and numbers its descriptors within it.

use mio::Token;

/// Signals.
pub const SIGNALS: Token = Token(0);
/// A resume from suspend.
pub const RESUME: Token = Token(1);
/// What the child says that reads the configuration again.
pub const REREAD: Token = Token(2);
/// First token of the writers; 3 of them.
pub const WRITERS: Token = Token(3);
/// The socket between the helper and the main process.
pub const HELPER: Token = Token(6);
/// First token of the driver; 0x100 of them.
pub const DRIVER: Token = Token(0x100);
/// First token of the server of port 3551; listeners, then connections, 0x10_0000 in all, as of the next.
pub const SERVER: Token = Token(0x1000);
/// First token of the control socket's server.
pub const CONTROL: Token = Token(0x20_0000);
