//! An answer of the web server of a card, of any size, in chunks or not (RFC 9112).

/// Most bytes of an answer that are taken in.
pub const LONGEST: usize = 256 * 1024;
/// Most heads before the answer, and it.
const ANNOUNCED_MAX: usize = 4;
/// Most header lines.
const HEADERS_MAX: usize = 64;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status: 200 is a page.
    pub status: u16,
    /// Where it sends its reader, if it does.
    pub location: Option<String>,
    /// The page.
    pub body: Vec<u8>,
    /// The server closes the connection after it.
    pub closes: bool,
}

/// It is no answer of a web server, or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// What begins the bytes.
enum Part {
    /// The head of so many bytes of an answer that announces another (1xx).
    Announced(usize),
    /// The answer, or as much of it as has come.
    Answer(Option<Response>),
}

/// How long a body is.
enum Length {
    Chunks,
    Bytes(usize),
    /// As far as the connection goes.
    Rest,
}

impl Response {
    /// The answer in what has come so far; `None`: there is more to come. `ended`: no more comes.
    ///
    /// # Errors
    /// [`Broken`] if no answer begins so.
    pub fn parse(mut bytes: &[u8], ended: bool) -> Result<Option<Self>, Broken> {
        for _ in 0..ANNOUNCED_MAX {
            match Self::parse_one(bytes, ended)? {
                Part::Announced(length) => bytes = bytes.get(length..).unwrap_or_default(),
                Part::Answer(response) => return Ok(response),
            }
        }
        Err(Broken)
    }

    fn parse_one(bytes: &[u8], ended: bool) -> Result<Part, Broken> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = head.parse(bytes).map_err(|_| Broken)? else {
            return if ended || bytes.len() >= LONGEST { Err(Broken) } else { Ok(Part::Answer(None)) };
        };
        let status = head.code.ok_or(Broken)?;
        let rest = bytes.get(length..).unwrap_or_default();
        if (100..200).contains(&status) {
            return Ok(Part::Announced(length));
        }
        let header = |name: &str| {
            let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.and_then(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
        };
        let has = |name: &str, word: &str| {
            header(name).is_some_and(|value| value.to_ascii_lowercase().contains(word))
        };
        let body = match Self::length(status, &header, has("transfer-encoding", "chunked"))? {
            Length::Chunks => chunks(rest)?,
            Length::Bytes(wanted) => rest.get(..wanted).map(<[u8]>::to_vec),
            Length::Rest => ended.then(|| rest.to_vec()),
        };
        match body {
            Some(body) => {
                let closes = head.version == Some(0) || has("connection", "close");
                let location = header("location").map(str::to_owned);
                Ok(Part::Answer(Some(Self { status, location, body, closes })))
            }
            None if ended || bytes.len() >= LONGEST => Err(Broken),
            None => Ok(Part::Answer(None)),
        }
    }

    fn length<'a>(
        status: u16,
        header: &impl Fn(&str) -> Option<&'a str>,
        is_chunked: bool,
    ) -> Result<Length, Broken> {
        Ok(match header("content-length") {
            _ if matches!(status, 204 | 304) => Length::Bytes(0),
            _ if is_chunked => Length::Chunks,
            Some(text) => Length::Bytes(text.parse().ok().filter(|length| *length <= LONGEST).ok_or(Broken)?),
            None => Length::Rest,
        })
    }
}

/// The bytes in all chunks; `None`: the last one has not come.
fn chunks(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Broken> {
    let mut body = Vec::new();
    loop {
        let httparse::Status::Complete((start, length)) =
            httparse::parse_chunk_size(rest).map_err(|_| Broken)?
        else {
            return Ok(None);
        };
        if length == 0 {
            return Ok(Some(body));
        }
        let length = usize::try_from(length).ok().filter(|length| *length <= LONGEST).ok_or(Broken)?;
        let Some(chunk) = rest.get(start..start + length) else { return Ok(None) };
        body.extend_from_slice(chunk);
        match rest.get(start + length..).unwrap_or_default() {
            [b'\r', b'\n', after @ ..] => rest = after,
            [] | [b'\r'] => return Ok(None),
            _ => return Err(Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_without_end_are_no_answer() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let after = |count| [b"HTTP/1.1 100 Continue\r\n\r\n".repeat(count), answer.to_vec()].concat();
        assert_eq!(body(&after(2), false), Ok(Some(b"ok".to_vec())));
        assert_eq!(body(&after(10_000), false), Err(Broken));
    }

    fn body(bytes: &[u8], ended: bool) -> Result<Option<Vec<u8>>, Broken> {
        Response::parse(bytes, ended).map(|response| response.map(|response| response.body))
    }

    #[test]
    fn a_page_is_read_whole_in_each_way_that_servers_have() {
        let ways: [(&[u8], bool); 4] = [
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\npag\r\n1\r\ne\r\n0\r\n\r\n", false),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", false),
            (b"HTTP/1.0 200 OK\r\n\r\npage", true),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:4\r\n\r\npage", false),
        ];
        for (bytes, ended) in ways {
            assert_eq!(body(bytes, ended), Ok(Some(b"page".to_vec())));
            for length in 0..bytes.len() - usize::from(!ended) - 2 {
                let so_far = body(&bytes[..length], false);
                assert_eq!(so_far, Ok(None), "{length}: {:?}", String::from_utf8_lossy(&bytes[..length]));
            }
        }
    }

    #[test]
    fn what_is_cut_short_or_no_answer_is_told() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npage"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\npag\r\n",
            b"HTTP/1.1 20",
        ] {
            assert_eq!(body(bytes, true), Err(Broken));
        }
        for bytes in [
            &b"SSH-2.0-cryptlib\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        ] {
            assert_eq!(body(bytes, false), Err(Broken), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn an_answer_without_a_page_sends_elsewhere() {
        let bytes = b"HTTP/1.1 303 See Other\r\nLocation: /logon.htm\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let response = Response::parse(bytes, false).unwrap().unwrap();
        assert_eq!((response.status, response.location.as_deref()), (303, Some("/logon.htm")));
        assert!(response.closes && response.body.is_empty());
    }

    #[test]
    fn an_answer_without_an_end_is_given_up() {
        let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        bytes.resize(LONGEST, b'x');
        assert_eq!(body(&bytes, false), Err(Broken));
    }
}
