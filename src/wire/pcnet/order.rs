//! The page of a card that has the UPS switch off (pcnet §5).

use super::Secret;

/// The page.
pub const PAGE: &str = "/macontrol.htm";
/// Where its form goes, and what is signed of it.
const FORM: &str = "/Forms/macontrol1";
const CONTROL: &[u8] = b"macontrol1_control_shutdown_1=1,";
/// The same as a form writes it.
const CONTROL_AS_FORM: &str = "macontrol1%5fcontrol%5fshutdown%5f1=1%2C";

/// Asks for the page; `host`: as a URL has it.
#[must_use]
pub fn page_request(host: &str) -> Vec<u8> {
    format!("GET {PAGE} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

/// Has the UPS switch off, with the challenge of the page.
#[must_use]
pub fn control_request(host: &str, challenge: &[u8], secret: &Secret) -> Vec<u8> {
    let digest = secret.sign(&[CONTROL, challenge]);
    let digest = String::from_utf8_lossy(&digest);
    let length = CONTROL_AS_FORM.len() + digest.len();
    format!(
        "POST {FORM} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n{CONTROL_AS_FORM}{digest}"
    )
    .into_bytes()
}

/// The part of a page that is signed, and what follows it.
#[must_use]
pub fn signed_part(page: &[u8]) -> Option<&[u8]> {
    let begin = b"<html>";
    page.get(page.windows(begin.len()).position(|window| window == begin)?..)
}

#[cfg(test)]
mod tests {
    use super::super::digest;
    use super::*;

    #[test]
    fn an_order_is_the_form_with_the_digest_of_the_challenge() {
        let request = control_request("10.0.0.1", b"C0FFEE", &Secret::new("apc", "admin user phrase"));
        let request = String::from_utf8(request).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /Forms/macontrol1 HTTP/1.1\r\nHost: 10.0.0.1\r\n"), "{head}");
        assert!(head.ends_with("\r\nContent-Length: 72") && body.len() == 72, "{head} {body}");
        let sum = digest(&[b"macontrol1_control_shutdown_1=1,C0FFEEapcadmin user phrase"]);
        assert_eq!(body.as_bytes(), [b"macontrol1%5fcontrol%5fshutdown%5f1=1%2C", &sum[..]].concat());
        assert!(!request.contains("phrase"));
    }

    #[test]
    fn the_signed_part_of_a_page_begins_with_its_element() {
        assert_eq!(signed_part(b"\r\n<html>\nCS=1\nMD=2"), Some(&b"<html>\nCS=1\nMD=2"[..]));
        assert_eq!(signed_part(b"<HTML>"), None);
        assert_eq!(signed_part(b""), None);
    }
}
