//! What keeps an open device from other programs, and from other configurations of this one.

use crate::sys::named_lock::NamedLock;
use crate::sys::usb::Helper;

/// Held as long as it is kept.
#[derive(Debug)]
pub(super) enum Held {
    /// A lock of this process; `None`: there are none.
    Here { _lock: Option<NamedLock> },
    /// The process that has opened the device keeps its lock, until it is dropped here.
    There { _keeper: Helper },
}
