//! What an APC network card sends to PowerChute Network Shutdown: signed packets of text, and the page that takes orders (pcnet §2).

mod digest;
mod order;
mod packet;
mod response;

pub use digest::{Digest, Secret, digest, is_equal};
pub use order::{PAGE, control_request, page_request, signed_part};
pub use packet::{Counters, Malformed, Packet};
pub use response::{Broken, LONGEST, Response};
