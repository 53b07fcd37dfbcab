//! A long session of a client: the first byte says how its bytes are cut, the rest is what it sends. However it is cut,
//! the same requests are read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mainsd::wire::nis::{BadRequest, Request, RequestReader};

fn read<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Request>, Result<bool, BadRequest>) {
    let mut reader = RequestReader::default();
    let mut requests = Vec::new();
    for mut chunk in chunks {
        while !chunk.is_empty() {
            match reader.read(chunk) {
                Ok((taken, request)) => {
                    assert!(taken > 0 && taken <= chunk.len());
                    assert!(request.is_some() || taken == chunk.len());
                    requests.extend(request);
                    chunk = &chunk[taken..];
                }
                Err(bad) => return (requests, Err(bad)),
            }
        }
    }
    (requests, Ok(reader.is_inside()))
}

fuzz_target!(|bytes: &[u8]| {
    let _ = Request::parse_datagram(bytes);
    let Some((cut, session)) = bytes.split_first() else { return };
    let whole = read(std::iter::once(session));
    let pieces = read(session.chunks(usize::from(*cut % 16) + 1));
    assert_eq!(whole, pieces);
});
