//! Port 3551: listeners, connections with limits and deadlines, access lists. Answers come from a [`StatusSource`], which
//! never waits for the UPS.

mod cache;

pub use cache::Cache;

/// Where answers come from. The daemon implements it over its snapshot and events file.
pub trait StatusSource {
    /// The complete framed answer to `status`, ready to send (nis §2, §5).
    fn status(&mut self) -> std::rc::Rc<[u8]>;
    /// The complete framed answer to `events` (nis §6).
    fn events(&mut self) -> std::rc::Rc<[u8]>;
}
