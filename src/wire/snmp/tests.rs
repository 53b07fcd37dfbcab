use super::*;

const PUBLIC: &[u8] = b"public";

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn pdu(datagram: &[u8]) -> Pdu {
    match decode(datagram) {
        Ok(Message::Community { content: Content::Pdu(pdu), .. }) => pdu,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_what_others_send() {
    // snmpgetnext -v1 -c public, sysDescr.
    let expected = bytes(
        "30 26 02 01 00 04 06 7075626c6963 a1 19 02 04 12345678 02 01 00 02 01 00 30 0b 30 09 06 05 2b06010201 05 00",
    );
    let request = Pdu::new(Kind::GetNext, 0x1234_5678, vec![Binding::asked(&[1, 3, 6, 1, 2, 1])]);
    assert_eq!(encode(Version::V1, PUBLIC, &request), expected);
    assert_eq!(pdu(&expected), request);
}

#[test]
fn all_kinds_and_values_come_back() {
    let values = [
        Value::Integer(-1),
        Value::Octets(b"Smart-UPS".to_vec()),
        Value::Null,
        Value::Oid(Oid::from(&[1, 3, 6, 1, 4, 1, 318][..])),
        Value::IpAddress([192, 0, 2, 1]),
        Value::Counter(u32::MAX),
        Value::Gauge(2_147_483_648),
        Value::Ticks(360_000),
        Value::Opaque(vec![0x9f, 0x78, 4, 0, 0, 0, 0]),
        Value::Counter64(u64::MAX),
        Value::NoSuchObject,
        Value::NoSuchInstance,
        Value::EndOfMibView,
    ];
    let oid = Oid::from(&[1, 3, 6, 1, 4, 1, 318, 1, 1, 1, 4, 1, 1][..]).child(0);
    let bindings: Vec<Binding> =
        values.into_iter().map(|value| Binding { oid: oid.clone(), value }).collect();
    for kind in [
        Kind::Get,
        Kind::GetNext,
        Kind::Response,
        Kind::Set,
        Kind::GetBulk,
        Kind::Inform,
        Kind::TrapV2,
        Kind::Report,
    ] {
        let sent =
            Pdu { kind, request_id: i32::MIN, error_status: 2, error_index: 300, bindings: bindings.clone() };
        let datagram = encode(Version::V2c, b"", &sent);
        let expected =
            Message::Community { version: Version::V2c, community: vec![], content: Content::Pdu(sent) };
        assert_eq!(decode(&datagram), Ok(expected));
        for end in 0..datagram.len() {
            assert!(decode(&datagram[..end]).is_err(), "{end}");
        }
    }
}

#[test]
fn a_value_that_is_not_understood_spoils_no_other() {
    // An unknown tag, integers of too many bits and of none, an address of five bytes, an OID with too large a number.
    let values: [(u8, &[u8]); 6] = [
        (0x47, &[1, 2]),
        (0x02, &[0, 0xff, 0xff, 0xff, 0xff]),
        (0x42, &[]),
        (0x40, &[1, 2, 3, 4, 5]),
        (0x06, &[0x2b, 0xff, 0xff, 0xff, 0xff, 0xff, 0]),
        (0x42, &[0, 0xff, 0xff, 0xff, 0xff]),
    ];
    let mut response = Pdu::new(Kind::Response, 7, vec![]);
    let mut bindings = Vec::new();
    for (tag, content) in values {
        let start = bindings.len();
        ber::put_oid(&mut bindings, &[1, 3, 6, 1]);
        ber::put(&mut bindings, tag, content);
        ber::wrap(&mut bindings, start, SEQUENCE);
        response.bindings.push(Binding { oid: Oid::from(&[1, 3, 6, 1][..]), value: Value::Other(tag) });
    }
    response.bindings[5].value = Value::Gauge(u32::MAX);
    let mut datagram = Vec::new();
    for number in [7, 0, 0] {
        ber::put_integer(&mut datagram, INTEGER, number);
    }
    ber::put(&mut datagram, SEQUENCE, &bindings);
    ber::wrap(&mut datagram, 0, 0xa2);
    datagram.splice(0..0, [2, 1, 0, 4, 0]);
    ber::wrap(&mut datagram, 0, SEQUENCE);
    assert_eq!(pdu(&datagram), response);
}

/// What `snmptrap` and `snmpinform` of net-snmp 5.9.3 send.
#[test]
fn traps_of_v1_and_notifications_of_v2c_are_read_and_informs_acknowledged() {
    let trap = bytes(
        "304302010004067075626c6963a43606072b06010401823e4004c0000201020106020105430212\
         67301b3019060b2b06010401823e02030300040a6f6e2062617474657279",
    );
    let oid = Oid::from(&[1, 3, 6, 1, 4, 1, 318, 2, 3, 3, 0][..]);
    let text = Binding { oid, value: Value::Octets(b"on battery".to_vec()) };
    let expected = TrapV1 {
        enterprise: Oid::from(&[1, 3, 6, 1, 4, 1, 318][..]),
        agent: [192, 0, 2, 1],
        generic: 6,
        specific: 5,
        uptime: 4711,
        bindings: vec![text.clone()],
    };
    match decode(&trap) {
        Ok(Message::Community { version: Version::V1, content: Content::TrapV1(trap), .. }) => {
            assert_eq!(trap, expected)
        }
        other => panic!("{other:?}"),
    }
    let notification = bytes(
        "305f02010104067075626c6963a75202040f096a6b0201000201003044300e06082b06010201010300430212673017060a2b\
         06010603010104010006092b06010401823e00053019060b2b06010401823e02030300040a6f6e2062617474657279",
    );
    let read = pdu(&notification);
    assert_eq!((read.kind, read.bindings.len(), &read.bindings[2]), (Kind::TrapV2, 3, &text));
    let inform = bytes(
        "305402010104067075626c6963a64702047922a8e50201000201003039300e06082b06010201010300430212673016060a2b\
         06010603010104010006082b06010201210201300f060a2b06010201210102030002011e",
    );
    let read = pdu(&inform);
    let answer = encode(Version::V2c, PUBLIC, &read.acknowledgement());
    assert_eq!((read.kind, read.request_id), (Kind::Inform, 0x7922_a8e5));
    // The same bytes, as a response.
    let at = inform.iter().position(|byte| *byte == 0xa6).unwrap();
    assert_eq!((answer[at], &answer[..at], &answer[at + 1..]), (0xa2, &inform[..at], &inform[at + 1..]));
}
